// A PostgreSQL server of its own for an end-to-end test: temporary directory, free loopback port, not
// as root, gone with the test. `psql` runs SQL as other programs would.
import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

function findPrograms() {
  if (process.env.TIDEWIRE_TEST_PG_BIN) return process.env.TIDEWIRE_TEST_PG_BIN;
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root)
    ? readdirSync(root).filter((v) => existsSync(`${root}/${v}/bin/initdb`))
    : [];
  versions.sort((a, b) => Number(b) - Number(a));
  return versions.length > 0 ? `${root}/${versions[0]}/bin` : undefined;
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

// Ids of the user whose processes they are; undefined: our own.
function otherUser() {
  if (process.getuid() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // The next name.
    }
  }
  throw new Error('no user to run PostgreSQL as');
}

export class PostgresCluster {
  static async start(settings = {}) {
    const cluster = new PostgresCluster();
    cluster.programs = findPrograms();
    if (!cluster.programs) throw new Error('PostgreSQL is not installed (package postgresql-15)');
    cluster.user = otherUser();
    cluster.directory = mkdtempSync('/tmp/tidewire-pg-');
    if (cluster.user.uid !== undefined)
      chownSync(cluster.directory, cluster.user.uid, cluster.user.gid);
    chmodSync(cluster.directory, 0o755);
    cluster.data = join(cluster.directory, 'data');
    execFileSync(
      join(cluster.programs, 'initdb'),
      [
        '-D',
        cluster.data,
        '-U',
        'postgres',
        '-A',
        'trust',
        '--no-sync',
        '-E',
        'UTF8',
        '--locale=C.UTF-8',
      ],
      { ...cluster.user, stdio: 'ignore', cwd: cluster.directory },
    );
    cluster.port = await freePort();
    const lines = {
      listen_addresses: '127.0.0.1',
      port: cluster.port,
      unix_socket_directories: cluster.directory,
      wal_level: 'logical',
      fsync: 'off',
      shared_buffers: '32MB',
      max_connections: 40,
      ...settings,
    };
    writeFileSync(
      join(cluster.data, 'postgresql.auto.conf'),
      Object.entries(lines)
        .map(([name, value]) => `${name} = '${value}'\n`)
        .join(''),
    );
    await cluster.resume();
    return cluster;
  }

  async resume() {
    this.server = spawn(join(this.programs, 'postgres'), ['-D', this.data], {
      ...this.user,
      stdio: 'ignore',
      cwd: this.directory,
    });
    this.ended = new Promise((resolve) => this.server.once('exit', resolve));
    for (let i = 0; i < 3000; ++i) {
      try {
        const lines = readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n');
        if (Number(lines[0]) === this.server.pid && lines[7]?.startsWith('ready')) return;
      } catch {
        // Not written yet.
      }
      if (this.server.exitCode !== null) throw new Error('PostgreSQL did not start');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('PostgreSQL did not start in time');
  }

  // 'SIGINT': clean; 'SIGQUIT': as a crash.
  async stop(signal = 'SIGINT') {
    this.server.kill(signal);
    await this.ended;
  }

  async remove() {
    await this.stop('SIGQUIT');
    rmSync(this.directory, { recursive: true, force: true });
  }

  dsn(database = 'postgres', user = 'postgres') {
    return `postgres://${user}@127.0.0.1:${this.port}/${database}`;
  }

  async psql(sql, database = 'postgres') {
    const { stdout } = await run('psql', [
      '-X',
      '-q',
      '-A',
      '-t',
      '-v',
      'ON_ERROR_STOP=1',
      '-h',
      '127.0.0.1',
      '-p',
      String(this.port),
      '-U',
      'postgres',
      '-d',
      database,
      '-c',
      sql,
    ]);
    return stdout.trim();
  }
}
