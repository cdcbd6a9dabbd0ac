// A small server in memory that speaks Tidewire's protocol: for unit tests of the client, and for
// looking at the page, where the real binary is not at hand. Not a reference: the binary is.
import { createServer } from 'node:http';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

export function fakeToken(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims })}.x`;
}

/**
 * Starts a server. `tables` maps a name to its primary key's columns; `visible(row, claims)`
 * decides who sees a row; `dist` is a folder of pages; `handler` may take a request for itself.
 */
export async function startFakeServer({
  tables,
  visible = () => true,
  dist = null,
  config = null,
  handler = null,
  port = 0,
  log = { epoch: '00000000000000e1', entries: [], rows: {} },
  logFrom = 0,
} = {}) {
  const state = {
    log,
    logFrom,
    joins: [],
    requests: [],
    delayMs: 0,
    rejectJoin: null,
    muted: false,
  };
  for (const table of Object.keys(tables)) log.rows[table] ??= new Map();
  const sockets = new Set();
  const position = () => `${log.epoch}:${log.entries.length}`;
  const keyOf = (table, row) => JSON.stringify(tables[table].map((column) => row[column]));
  const claimsOf = (token) => {
    try {
      return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
    } catch {
      return null;
    }
  };
  const matches = (row, filter) =>
    !filter ||
    filter.split(',').every((condition) => {
      const [, column, value] = /^(\w+)=eq\.(.*)$/.exec(condition) ?? [];
      return column && row && String(row[column]) === value;
    });

  /** Commits one change and delivers it. */
  function commit(type, table, row) {
    const rows = log.rows[table];
    const key = keyOf(table, row);
    const old = rows.get(key) ?? null;
    const record = type === 'DELETE' ? null : { ...old, ...row };
    if (record) rows.set(key, record);
    else rows.delete(key);
    const pk = Object.fromEntries(tables[table].map((column) => [column, row[column]]));
    const at = new Date().toISOString();
    const entry = { offset: log.entries.length + 1, type, table, old, record, pk, at };
    log.entries.push(entry);
    if (!state.muted) for (const socket of sockets) deliver(socket, entry);
  }

  function frameOf(topic, channel, entry) {
    if (channel.table !== entry.table) return null;
    const sees = (row) => row && matches(row, channel.filter) && visible(row, channel.claims);
    const before = sees(entry.old);
    const after = sees(entry.record);
    if (!before && !after) return null;
    const type = entry.record && !after ? 'LEAVE' : entry.type;
    if (type === 'LEAVE' && !channel.leave) return null;
    const data = { type, schema: 'public', table: entry.table, commit_timestamp: entry.at };
    if (after) data.record = entry.record;
    if (type !== 'INSERT') data.old_record = entry.pk;
    const extra = channel.positions ? { position: `${log.epoch}:${entry.offset}` } : {};
    const payload = { ids: [channel.id], data: { ...data, columns: [], errors: null }, ...extra };
    return JSON.stringify([null, null, topic, 'postgres_changes', payload]);
  }

  function deliver(socket, entry) {
    for (const [topic, channel] of socket.channels) {
      const frame = frameOf(topic, channel, entry);
      if (frame) socket.send(frame);
    }
  }

  function onFrame(socket, [joinRef, ref, topic, event, payload]) {
    const reply = (status, response) =>
      socket.send(JSON.stringify([joinRef, ref, topic, 'phx_reply', { status, response }]));
    if (event === 'heartbeat') return reply('ok', { tidewire: { position: position() } });
    if (event === 'phx_leave') {
      socket.channels.delete(topic);
      return reply('ok', {});
    }
    if (event === 'access_token') {
      const channel = socket.channels.get(topic);
      if (channel) channel.claims = claimsOf(payload.access_token);
      return;
    }
    if (event !== 'phx_join') return;
    const { config: joinConfig, access_token: token } = payload;
    state.joins.push({ topic, payload });
    if (state.rejectJoin) return reply('error', { reason: state.rejectJoin });
    const [binding] = joinConfig.postgres_changes;
    const asked = joinConfig.tidewire ?? {};
    const channel = {
      ...binding,
      id: 7,
      claims: claimsOf(token),
      positions: asked.positions,
      leave: asked.leave,
    };
    let verdict = { recovered: null, reason: null };
    let from = null;
    if (asked.since) {
      const [epoch, offset] = asked.since.split(':');
      if (epoch !== log.epoch) verdict = { recovered: false, reason: 'epoch_changed' };
      else if (Number(offset) < state.logFrom) verdict = { recovered: false, reason: 'expired' };
      else {
        verdict = { recovered: true, reason: null };
        from = Number(offset);
      }
    }
    reply('ok', {
      postgres_changes: [{ id: 7, ...binding }],
      ...(asked.positions ? { tidewire: { position: position(), ...verdict } } : {}),
    });
    socket.channels.set(topic, channel);
    if (from === null) return;
    for (const entry of log.entries.slice(from)) {
      const frame = frameOf(topic, channel, entry);
      if (frame) socket.send(frame);
    }
    const caughtUp = {
      extension: 'tidewire',
      status: 'ok',
      message: 'caught_up',
      channel: topic.slice('realtime:'.length),
      position: position(),
    };
    socket.send(JSON.stringify([joinRef, null, topic, 'system', caughtUp]));
  }

  function onRequest(request, response) {
    const url = new URL(request.url, 'http://x');
    const answer = (status, body, headers = {}) => {
      response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
      response.end(JSON.stringify(body));
    };
    if (handler?.(request, response, url)) return;
    if (url.pathname === '/demo/config.json') return answer(200, config?.(server.url) ?? {});
    if (url.pathname.startsWith('/rest/v1/')) {
      const table = decodeURIComponent(url.pathname.slice('/rest/v1/'.length));
      state.requests.push({ table, query: url.search });
      const claims = claimsOf((request.headers.authorization ?? '').replace('Bearer ', ''));
      if (!claims) return answer(401, { message: 'no token' });
      if (!log.rows[table]) return answer(404, { message: `no table ${table}` });
      const filter = [...url.searchParams]
        .filter(([name]) => !['select', 'order', 'limit'].includes(name))
        .map(([name, value]) => `${name}=${value}`)
        .join(',');
      const rows = [...log.rows[table].values()].filter(
        (row) => matches(row, filter) && visible(row, claims),
      );
      const [, column, down] = /^(\w+)(\.desc)?/.exec(url.searchParams.get('order') ?? '') ?? [];
      if (column) rows.sort((a, b) => (a[column] < b[column] ? -1 : 1) * (down ? -1 : 1));
      const headers = { 'Tidewire-Position': position() };
      setTimeout(() => answer(200, rows, headers), state.delayMs);
      return;
    }
    const file = dist && join(dist, normalize(url.pathname === '/' ? '/index.html' : url.pathname));
    if (!file || !existsSync(file) || !statSync(file).isFile()) return answer(404, {});
    response.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  }

  const http = createServer(onRequest);
  const wss = new WebSocketServer({ server: http });
  wss.on('connection', (socket) => {
    socket.channels = new Map();
    sockets.add(socket);
    socket.on('message', (text) => onFrame(socket, JSON.parse(text.toString())));
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));

  const server = {
    state,
    log,
    sockets,
    url: `http://127.0.0.1:${http.address().port}`,
    port: http.address().port,
    position,
    insert: (table, row) => commit('INSERT', table, row),
    update: (table, row) => commit('UPDATE', table, row),
    remove: (table, row) => commit('DELETE', table, row),
    /** Cuts every connection without a close frame. */
    cut: () => sockets.forEach((socket) => socket.terminate()),
    stop: () =>
      new Promise((resolve) => {
        sockets.forEach((socket) => socket.terminate());
        wss.close();
        http.close(resolve);
        http.closeAllConnections?.();
      }),
  };
  return server;
}
