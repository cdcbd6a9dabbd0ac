// The command line of the real binary: exit codes, what is printed where, what is refused.
// Run: node --test tests/component/cli.test.mjs; TIDEWIRE_BIN is the binary under test.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const binary = resolve(
  process.env.TIDEWIRE_BIN ??
    fileURLToPath(new URL('../../build/release/tidewire', import.meta.url)),
);
const root = fileURLToPath(new URL('../../', import.meta.url));
const secret = 'a-component-test-secret-of-many-characters';
const developmentSecret = 'tidewire-development-secret-do-not-deploy';
const limit = { timeout: 60_000 };

/** The variables of a run: nothing of the caller's TIDEWIRE_… but what the test gives. */
function environment(given = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('TIDEWIRE_'));
  return { ...Object.fromEntries(inherited), ...given };
}

/** A directory that is gone after the test. */
function scratch(t, files = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-cli-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

function run(args, { env, cwd } = {}) {
  const done = spawnSync(binary, args, {
    cwd,
    env: environment(env),
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

/** Starts a server; resolves with the JSON that it prints once it listens. */
async function start(t, args, env) {
  const child = spawn(binary, [...args, '--json'], {
    env: environment(env),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = new Promise((done) => child.on('exit', done));
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const line = await new Promise((done, fail) => {
    createInterface({ input: child.stdout }).once('line', done);
    void exited.then((code) => fail(new Error(`ended with ${code}`)));
  });
  return { info: JSON.parse(line), child, exited };
}

const mainFile = `version: 1
auth:
  jwt_secret: \${env:TIDEWIRE_JWT_SECRET}
store:
  schema: [schema.sql]
tables:
  notes:
    policies:
      - { name: own, using: owner = auth.uid() }
`;
const schemaFile = 'create table if not exists notes(id integer primary key, owner text);\n';
const good = { 'tidewire.yaml': mainFile, 'schema.sql': schemaFile };

/** Header and claims of a token whose HS256 signature is right. */
function verified(token, key) {
  const [header, claims, signature] = token.trim().split('.');
  const expected = createHmac('sha256', key).update(`${header}.${claims}`).digest('base64url');
  assert.equal(signature, expected);
  const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
  return { header: decode(header), claims: decode(claims) };
}

test('version says its number, as text and as JSON', () => {
  const text = run(['version']);
  assert.equal(text.code, 0);
  assert.match(text.out, /^tidewire \d+\.\d+\.\d+\n$/);
  for (const args of [
    ['version', '--json'],
    ['--json', 'version'],
  ]) {
    const { code, out } = run(args);
    assert.equal(code, 0);
    assert.equal(`tidewire ${JSON.parse(out).version}\n`, text.out);
    assert.ok(JSON.parse(out).compiler);
  }
});

test('help exits with 0, a wrong command line with 2 and nothing on standard output', () => {
  for (const args of [['--help'], ['dev', '--help'], ['token', 'mint', '--help']]) {
    const { code, out } = run(args);
    assert.equal(code, 0, args.join(' '));
    assert.match(out, /Usage|OPTIONS/i);
  }
  for (const args of [
    [],
    ['fly'],
    ['version', 'extra'],
    ['version', '--unknown'],
    ['token'],
    ['token', 'mint'],
    ['serve', '--config'],
    ['docs'],
    ['docs', 'poems'],
  ]) {
    const { code, out, err } = run(args);
    assert.equal(code, 2, args.join(' '));
    assert.equal(out, '', args.join(' '));
    assert.notEqual(err, '', args.join(' '));
  }
});

test('token mint signs what was asked for', () => {
  const args = ['token', 'mint', '--role', 'authenticated', '--sub', 'user-1', '--ttl', '15m'];
  const claims = [
    '--claim',
    'workspace_id=37',
    '--claim',
    'name=Ada "x"',
    '--claim',
    'a={"b":[1]}',
  ];
  const before = Math.floor(Date.now() / 1000);
  const { code, out, err } = run([...args, ...claims], { env: { TIDEWIRE_JWT_SECRET: secret } });
  assert.equal(code, 0);
  assert.equal(err, '');
  assert.match(out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const token = verified(out, secret);
  assert.deepEqual(token.header, { alg: 'HS256', typ: 'JWT' });
  const { iat, exp, ...rest } = token.claims;
  assert.deepEqual(rest, {
    role: 'authenticated',
    sub: 'user-1',
    workspace_id: 37,
    name: 'Ada "x"',
    a: { b: [1] },
  });
  assert.equal(exp - iat, 15 * 60);
  assert.ok(iat >= before && iat <= before + 20);
});

test('token mint --json gives the token and its claims', () => {
  const { code, out } = run(['token', 'mint', '--role', 'anon', '--json'], {
    env: { TIDEWIRE_JWT_SECRET: secret },
  });
  assert.equal(code, 0);
  const minted = JSON.parse(out);
  assert.deepEqual(verified(minted.token, secret).claims, minted.claims);
});

test('token mint without a secret says that it took the development one', () => {
  const { code, out, err } = run(['token', 'mint', '--role', 'anon']);
  assert.equal(code, 0);
  assert.match(err, /TIDEWIRE_JWT_SECRET is not set; signed with the development secret/);
  verified(out, developmentSecret);
});

test('token mint refuses wrong arguments with 2', () => {
  for (const args of [
    ['--ttl', '15'],
    ['--ttl', 'soon'],
    ['--ttl', '106751991d'],
    ['--claim', 'novalue'],
    ['--claim', '=1'],
    ['--claim', 'role=admin'],
    ['--claim', 'exp=9999999999'],
  ]) {
    const { code, out, err } = run(['token', 'mint', '--role', 'anon', ...args]);
    assert.equal(code, 2, args.join(' '));
    assert.equal(out, '');
    assert.match(err, /tidewire: /);
  }
});

test('token mint refuses a secret that no server would take with 4', () => {
  for (const short of [
    '',
    'tiny-key',
    'x'.repeat(31),
    '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG',
  ]) {
    const { code, out, err } = run(['token', 'mint', '--role', 'anon'], {
      env: { TIDEWIRE_JWT_SECRET: short },
    });
    assert.equal(code, 4, short);
    assert.equal(out, '');
    assert.match(err, /TIDEWIRE_JWT_SECRET/);
    assert.ok(short === '' || !err.includes(short));
  }
});

test('check accepts the example and a good file, and leaves nothing behind', (t) => {
  const directory = scratch(t, good);
  assert.equal(run(['check'], { cwd: directory }).code, 0);
  for (const args of [
    ['check', 'tidewire.yaml'],
    ['check', '--config', 'tidewire.yaml'],
    ['check', join(directory, 'tidewire.yaml')],
  ]) {
    const { code, out } = run(args, { cwd: directory });
    assert.equal(code, 0, args.join(' '));
    assert.match(out, /tidewire\.yaml: ok\n$/);
  }
  const { code, out } = run(['check', '--json', join(root, 'examples/outreach/tidewire.yaml')]);
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).ok, true);
  assert.deepEqual(readdirSync(directory).sort(), Object.keys(good).sort());
});

test('check places what is wrong and exits with 3', (t) => {
  const cases = [
    [{ ...good, 'tidewire.yaml': mainFile.replace('tables:', 'tabels:') }, /:6:1: .*tables/],
    [
      { ...good, 'tidewire.yaml': mainFile.replace('schema.sql', 'none.sql') },
      /:5:12: .*none\.sql/,
    ],
    [{ ...good, 'tidewire.yaml': mainFile.replace('owner =', 'ownr =') }, /:9:29.*ownr/s],
    [{ ...good, 'tidewire.yaml': mainFile.replace('notes:', 'note:') }, /:7:3: .*'notes'/],
    [{ ...good, 'schema.sql': 'create tabel notes(a)' }, /schema\.sql: .*tabel/],
    [{ ...good, 'tidewire.yaml': 'version: 9\n' }, /:1:10: /],
  ];
  for (const [files, message] of cases) {
    const path = join(scratch(t, files), 'tidewire.yaml');
    const text = run(['check', path]);
    assert.equal(text.code, 3, String(message));
    assert.equal(text.out, '');
    assert.match(text.err, message);
    const json = run(['check', path, '--json']);
    assert.equal(json.code, 3);
    assert.match(JSON.parse(json.err).error, message);
  }
  assert.equal(run(['check', '/nowhere/tidewire.yaml']).code, 3);
});

test('serve needs --config and a secret of its own', (t) => {
  const directory = scratch(t, good);
  const data = join(directory, 'data');
  const bare = run(['serve', '--data', data]);
  assert.equal(bare.code, 2);
  assert.match(bare.err, /serve needs --config/);
  const args = ['serve', '--config', join(directory, 'tidewire.yaml'), '--data', data];
  const unset = run(args);
  assert.equal(unset.code, 3);
  assert.match(unset.err, /TIDEWIRE_JWT_SECRET/);
  const development = run(args, { env: { TIDEWIRE_JWT_SECRET: developmentSecret } });
  assert.equal(development.code, 3);
  assert.match(development.err, /public development secret/);
  assert.ok(!development.err.includes(developmentSecret));
  const short = run(args, { env: { TIDEWIRE_JWT_SECRET: 'short' } });
  assert.equal(short.code, 3);
  assert.match(short.err, /auth\.jwt_secret/);
});

test('dev listens on loopback only, unless told --i-know', limit, async (t) => {
  const data = join(scratch(t), 'data');
  for (const listen of ['0.0.0.0:0', '[::]:0', '192.0.2.1:0', '128.0.0.1:0']) {
    const { code, err } = run(['dev', '--listen', listen, '--data', data]);
    assert.equal(code, 2, listen);
    assert.match(err, /--i-know/);
  }
  const { info } = await start(t, ['dev', '--i-know', '--listen', '0.0.0.0:0', '--data', data]);
  const { port } = new URL(info.url);
  assert.equal((await fetch(`http://127.0.0.1:${port}/health/ready`)).status, 200);
});

test('a --listen that is no address and port is refused with 2', (t) => {
  const data = join(scratch(t), 'data');
  for (const listen of [
    '4000',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    ':x',
  ]) {
    const { code, err } = run(['dev', '--listen', listen, '--data', data]);
    assert.equal(code, 2, listen);
    assert.match(err, /--listen/);
  }
});

test('dev prints where it is and ends with 0 on SIGTERM and SIGINT', limit, async (t) => {
  const directory = scratch(t);
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const args = ['dev', '--no-demo-traffic', '--listen', '127.0.0.1:0'];
    const { info, child, exited } = await start(t, [...args, '--data', join(directory, signal)]);
    assert.match(info.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.match(info.realtime_url, /^ws:.*\/realtime\/v1$/);
    assert.equal(verified(info.anon_key, developmentSecret).claims.role, 'anon');
    assert.equal(verified(info.service_key, developmentSecret).claims.role, 'service_role');
    assert.equal((await fetch(`${info.url}/health/ready`)).status, 200);
    child.kill(signal);
    assert.equal(await exited, 0);
  }
});

test('serve serves, and a taken directory or port ends the second with 1', limit, async (t) => {
  const directory = scratch(t, good);
  const config = ['serve', '--config', join(directory, 'tidewire.yaml')];
  const env = { TIDEWIRE_JWT_SECRET: secret };
  const one = join(directory, 'one');
  const { info, child, exited } = await start(
    t,
    [...config, '--data', one, '--listen', '127.0.0.1:0'],
    env,
  );
  assert.equal(info.data_dir, one);
  assert.equal((await fetch(`${info.url}/rest/v1/notes`)).status, 401);
  const { out: token } = run(['token', 'mint', '--role', 'authenticated'], { env });
  const headers = { authorization: `Bearer ${token.trim()}` };
  assert.deepEqual(await (await fetch(`${info.url}/rest/v1/notes`, { headers })).json(), []);
  const sameData = run([...config, '--data', one, '--listen', '127.0.0.1:0'], { env });
  assert.equal(sameData.code, 1);
  assert.match(sameData.err, /another tidewire process uses/);
  const { host } = new URL(info.url);
  const samePort = run([...config, '--data', join(directory, 'two'), '--listen', host], { env });
  assert.equal(samePort.code, 1);
  assert.match(samePort.err, new RegExp(host.split(':')[1]));
  child.kill('SIGTERM');
  assert.equal(await exited, 0);
});

test('a port that another program holds ends the start with 1', limit, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => other.once('listening', done));
  t.after(() => other.close());
  const args = ['dev', '--listen', `127.0.0.1:${other.address().port}`];
  assert.equal(run([...args, '--data', join(scratch(t), 'data')]).code, 1);
});

test('a data directory that cannot be made is told by name, with 1', (t) => {
  const directory = scratch(t, { file: '' });
  const data = join(directory, 'file', 'data');
  const { code, err } = run(['dev', '--listen', '127.0.0.1:0', '--data', data]);
  assert.equal(code, 1);
  assert.match(err, /file\/data/);
});

test('docs are printed whole', () => {
  for (const args of [['config'], ['source'], ['metrics']]) {
    const { code, out } = run(['docs', ...args]);
    assert.equal(code, 0);
    assert.match(out, /^#/m);
  }
  for (const which of ['config', 'source']) {
    assert.equal(typeof JSON.parse(run(['docs', 'schema', which]).out), 'object');
  }
});

const postgresConfig = `version: 1
auth:
  jwt_secret: \${env:TIDEWIRE_JWT_SECRET}
store:
  kind: postgres
  dsn: \${env:TIDEWIRE_POSTGRES_DSN}
tables:
  jobs: {}
  crm.notes: {}
`;

test('init postgres prints one migration that may be run again', (t) => {
  const cwd = scratch(t, { 'tidewire.yaml': postgresConfig });
  const env = {
    TIDEWIRE_JWT_SECRET: secret,
    TIDEWIRE_POSTGRES_DSN: 'postgres://u:s3cret@127.0.0.1:1/x',
  };
  const given = run(['init', 'postgres', '--config', 'tidewire.yaml', '--role', 'app'], {
    cwd,
    env,
  });
  assert.equal(given.code, 0);
  for (const part of [
    /^begin;/m,
    /create role "app" login;/,
    /alter publication "tidewire" add table "crm"\."notes"/,
    /alter table "public"\."jobs" replica identity full;/,
    /create event trigger tidewire_ddl_end/,
    /^commit;/m,
  ]) {
    assert.match(given.out, part);
  }
  assert.doesNotMatch(given.out, /s3cret/);
  assert.equal(run(['init', 'postgres']).code, 2);
});

test('a database that is away does not keep the server from starting', limit, async (t) => {
  const cwd = scratch(t, { 'tidewire.yaml': postgresConfig });
  const env = {
    TIDEWIRE_JWT_SECRET: secret,
    TIDEWIRE_POSTGRES_DSN: 'postgres://u:s3cret@127.0.0.1:1/x',
  };
  const doctor = run(['doctor', '--config', 'tidewire.yaml'], { cwd, env });
  assert.equal(doctor.code, 5);
  assert.match(doctor.err, /Connection refused/);
  assert.doesNotMatch(doctor.err, /s3cret/);
  const args = [
    'serve',
    '--config',
    join(cwd, 'tidewire.yaml'),
    '--data',
    join(cwd, 'data'),
    '--listen',
    '127.0.0.1:0',
  ];
  const { info } = await start(t, args, env);
  assert.equal((await fetch(`${info.url}/health/ready`)).status, 200);
  const health = await (await fetch(`${info.url}/health`)).json();
  assert.equal(health.status, 'degraded');
});

test('policies and sources that a Postgres store cannot have are placed', (t) => {
  const cwd = scratch(t, {
    'tidewire.yaml': `${postgresConfig}  invoices:\n    policies:\n      - { name: own, using: "true" }\n`,
    'bare.yaml': postgresConfig.replace(/ {2}dsn.*\n/, ''),
  });
  const env = { TIDEWIRE_JWT_SECRET: secret, TIDEWIRE_POSTGRES_DSN: 'postgres://127.0.0.1:1/x' };
  const policies = run(['check', 'tidewire.yaml'], { cwd, env });
  assert.equal(policies.code, 3);
  assert.match(policies.err, /tidewire\.yaml:10:\d+: tables\.invoices\.policies: on PostgreSQL/);
  assert.match(run(['check', 'bare.yaml'], { cwd, env }).err, /store\.dsn is not set/);
});

test(
  'gen openapi prints a document that another program takes for OpenAPI 3.1',
  limit,
  async () => {
    const { code, out } = run(['gen', 'openapi']);
    assert.equal(code, 0);
    const { Validator } = await import('@seriousme/openapi-schema-validator');
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(out));
    assert.ok(valid, JSON.stringify(errors));
    assert.equal(validator.version, '3.1');
  },
);

test('try says what a payload would do, and leaves nothing behind', limit, (t) => {
  const config = join(root, 'examples/outreach/tidewire.yaml');
  const files = scratch(t, {
    'reply.json': JSON.stringify({
      event: { type: 'CONTACT_REPLIED', workspace_id: 37 },
      data: { lead: { id: 1, email: 'you@example.com' }, reply: { id: 1 } },
    }),
    'broken.json': '{"event":',
    'unknown.json': '{"event":{"type":"NO_SUCH","workspace_id":37}}',
  });
  const attempt = (name) => {
    const { code, out } = run(['try', config, join(files, name), '--json']);
    assert.equal(code, 0);
    return JSON.parse(out);
  };
  const reply = attempt('reply.json');
  assert.equal(reply.status, 'ok');
  assert.deepEqual(
    [reply.facts[0].kind, reply.facts[0].tenant, reply.facts[0].counts_in],
    ['replied', '37', 'replies_mtd'],
  );
  assert.deepEqual(
    reply.rows.map(({ table, change, columns }) => [table, change, columns.pipeline_stage]),
    [['client_leads', 'insert', 'replied']],
  );
  assert.deepEqual(
    reply.counters.map(({ table, columns }) => [table, columns.replies_mtd ?? columns.n]),
    [
      ['client_metrics', 1],
      ['client_metrics_daily', 1],
    ],
  );
  assert.equal(attempt('broken.json').status, 'dead:malformed');
  assert.equal(attempt('unknown.json').status, 'ignored:type');
  assert.equal(readdirSync(files).length, 3);
  assert.equal(run(['try', config, join(files, 'none.json')]).code, 3);
});

test('plan compares with what ran, and tells when jobs would run', limit, async (t) => {
  const directory = scratch(t);
  for (const name of ['tidewire.yaml', 'outreach.yaml', 'schema.sql', 'seed.sql']) {
    copyFileSync(join(root, 'examples/outreach', name), join(directory, name));
  }
  const config = join(directory, 'tidewire.yaml');
  const data = join(directory, 'data');
  const plan = () => {
    const { code, out } = run(['plan', config, '--data', data, '--json']);
    assert.equal(code, 0);
    return JSON.parse(out);
  };
  assert.equal(plan().sources[0].change, 'new');
  await start(t, [
    'dev',
    '--config',
    config,
    '--data',
    data,
    '--listen',
    '127.0.0.1:0',
    '--no-demo-traffic',
  ]);
  assert.equal(plan().sources[0].change, 'unchanged');
  const file = join(directory, 'outreach.yaml');
  const text = readFileSync(file, 'utf8');
  assert.match(text, /cron: "0 3 \* \* \*"/);
  writeFileSync(file, text.replace('cron: "0 3 * * *"', 'cron: "30 4 * * *"'));
  const { sources, jobs } = plan();
  assert.equal(sources[0].change, 'changed');
  assert.equal(sources[0].lines.length, 2);
  assert.ok(
    jobs[0].next.every((time) => time.endsWith('T04:30:00.000Z')),
    String(jobs[0].next),
  );
});
