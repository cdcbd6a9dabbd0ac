// Lame duck, TLS and reload, as an operator meets them: the real binary and its signals.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import WebSocket from 'ws';

const binary = resolve(
  process.env.TIDEWIRE_BIN ??
    fileURLToPath(new URL('../../build/release/tidewire', import.meta.url)),
);
const run = promisify(execFile);
const secret = 'component-test-secret-of-at-least-32-bytes';

function makeDirectory(t) {
  const directory = mkdtempSync(join(tmpdir(), 'tidewire-drain-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function serve(t, directory, server = '') {
  const config = join(directory, 'tidewire.yaml');
  writeFileSync(
    config,
    `version: 1\nserver:\n  loops: 2\n${server}auth:\n  jwt_secret: \${env:TIDEWIRE_JWT_SECRET}\n`,
  );
  const child = spawn(
    binary,
    [
      'serve',
      '--json',
      '--config',
      config,
      '--data',
      join(directory, 'data'),
      '--listen',
      '127.0.0.1:0',
    ],
    { env: { ...process.env, TIDEWIRE_JWT_SECRET: secret }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  t.after(() => child.kill('SIGKILL'));
  child.errors = '';
  child.stderr.on('data', (text) => (child.errors += text));
  const line = await new Promise((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(String(text)));
    child.once('exit', () => reject(new Error(child.errors)));
  });
  child.ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  return { child, url: JSON.parse(line).url };
}

async function mintToken() {
  const { stdout } = await run(binary, ['token', 'mint', '--role', 'anon'], {
    env: { ...process.env, TIDEWIRE_JWT_SECRET: secret },
  });
  return stdout.trim().split('\n').at(-1);
}

/** A joined client that books how it was closed. */
async function joinRoom(url, token) {
  const socket = new WebSocket(
    `${url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`,
  );
  const client = { socket, texts: [], closed: null };
  client.done = new Promise((resolve) => {
    socket.onclose = (event) => {
      client.closed = { code: event.code, at: performance.now() };
      resolve();
    };
  });
  await new Promise((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify(['1', '1', 'realtime:room', 'phx_join', {}]));
    socket.onerror = reject;
    socket.onmessage = (event) => {
      client.texts.push(String(event.data));
      resolve();
    };
  });
  return client;
}

test('drain: ready turns false, clients are told and closed over the window, the process ends', async (t) => {
  const directory = makeDirectory(t);
  const { child, url } = await serve(t, directory);
  const token = await mintToken();
  const clients = await Promise.all(Array.from({ length: 20 }, () => joinRoom(url, token)));
  assert.equal((await fetch(`${url}/health/ready`)).status, 200);
  const started = performance.now();
  const { stdout } = await run(binary, [
    'drain',
    '--json',
    '--data',
    join(directory, 'data'),
    '--window',
    '2s',
  ]);
  assert.equal(JSON.parse(stdout).pid, child.pid);
  let ready;
  do ready = await fetch(`${url}/health/ready`);
  while (ready.status === 200);
  assert.equal(ready.status, 503);
  assert.equal((await ready.json()).reason, 'draining');
  // Who comes now is sent elsewhere, and told when to come back.
  const refused = await fetch(`${url}/realtime/v1/sse?apikey=${token}`);
  assert.equal(refused.status, 503);
  assert.match(refused.headers.get('retry-after'), /^\d+$/);
  await Promise.all(clients.map((client) => client.done));
  for (const client of clients) {
    assert.equal(client.closed.code, 1012);
    assert.ok(client.texts.some((text) => text.includes('Server requested disconnect')));
  }
  const times = clients.map((client) => client.closed.at - started).sort((a, b) => a - b);
  assert.ok(times.at(-1) - times[0] > 1000, `spread over ${times.at(-1) - times[0]} ms`);
  assert.equal(await child.ended, 0);
});

test('a second signal ends a drain at once', async (t) => {
  const { child, url } = await serve(t, makeDirectory(t), '  drain_window: 1h\n');
  const client = await joinRoom(url, await mintToken());
  child.kill('SIGTERM');
  while (!child.errors.includes('Draining'))
    await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(client.closed, null);
  child.kill('SIGTERM');
  await client.done;
  assert.equal(client.closed.code, 1012);
  assert.equal(await child.ended, 0);
});

test('drain without a server says so', async (t) => {
  const directory = makeDirectory(t);
  await assert.rejects(run(binary, ['drain', '--data', directory]), (error) => {
    assert.equal(error.code, 5);
    assert.match(error.stderr, /no server runs/);
    return true;
  });
  // A lock file that nobody holds is no server, whatever number it names.
  writeFileSync(join(directory, 'lock'), `${process.pid}\n`);
  await assert.rejects(run(binary, ['drain', '--data', directory]), { code: 5 });
  await assert.rejects(run(binary, ['drain', '--data', directory, '--window', 'soon']), {
    code: 2,
  });
});

function makeCertificate(directory, name) {
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      join(directory, 'key.pem'),
      '-out',
      join(directory, 'cert.pem'),
    ],
    { stdio: 'ignore' },
  );
}

const peerName = (url) =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = tls.connect({ host: hostname, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.end();
    });
    socket.once('error', reject);
  });

test('TLS: the same port and routes; SIGHUP reads the certificate anew, a broken one changes nothing', async (t) => {
  const directory = makeDirectory(t);
  makeCertificate(directory, 'one.test');
  const { child, url } = await serve(
    t,
    directory,
    '  tls: { certificate: cert.pem, key: key.pem }\n',
  );
  assert.match(url, /^https:/);
  const status = await new Promise((resolve, reject) => {
    https
      .get(`${url}/health/ready`, { rejectUnauthorized: false }, (r) => resolve(r.statusCode))
      .once('error', reject);
  });
  assert.equal(status, 200);
  assert.equal(await peerName(url), 'one.test');
  const reloaded = async (code) => {
    child.kill('SIGHUP');
    while (!child.errors.includes(code)) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  makeCertificate(directory, 'two.test');
  await reloaded('ConfigurationReloaded');
  assert.equal(await peerName(url), 'two.test');
  writeFileSync(join(directory, 'key.pem'), 'no key');
  await reloaded('ConfigurationNotReloaded');
  assert.equal(await peerName(url), 'two.test');
  // openssl's own client, as an operator would look.
  const { hostname, port } = new URL(url);
  const { stdout } = await new Promise((resolve) => {
    const client = execFile(
      'openssl',
      ['s_client', '-connect', `${hostname}:${port}`, '-alpn', 'h2,http/1.1'],
      (error, out) => resolve({ stdout: out }),
    );
    client.stdin.end('GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  });
  assert.match(stdout, /ALPN protocol: http\/1\.1/);
});

test('a certificate that is not there stops the start', async (t) => {
  const directory = makeDirectory(t);
  await assert.rejects(
    serve(t, directory, '  tls: { certificate: none.pem, key: none.pem }\n'),
    /none\.pem/,
  );
  await assert.rejects(
    serve(t, directory, '  tls: { certificate: none.pem }\n'),
    /both certificate and key/,
  );
});
