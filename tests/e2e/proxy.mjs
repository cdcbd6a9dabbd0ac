// A network between a client and the server that lets some transports through and others not, in
// the ways that real ones do: WebSockets refused, cut or swallowed, event streams held up.
import { createServer, request as ask } from 'node:http';
import { connect } from 'node:net';

const kinds = {
  '/realtime/v1/websocket': 'ws',
  '/realtime/v1/sse': 'sse',
  '/realtime/v1/poll': 'poll',
};

/**
 * Forwards to `target`; `t.after` ends it. `rules[kind]` is `pass`, `refuse` (403), `cut` (the
 * connection is reset) or `hold` (accepted, and nothing ever comes back); it may be changed at any
 * time, and `cutAll()` ends what is open.
 */
export async function startProxy(t, target) {
  const upstream = new URL(target);
  const rules = { ws: 'pass', sse: 'pass', poll: 'pass' };
  const seen = { ws: 0, sse: 0, poll: 0 };
  const open = new Set();
  const judge = (req) => {
    const kind = kinds[req.url.split('?')[0]];
    if (kind) seen[kind]++;
    return kind ? rules[kind] : 'pass';
  };
  const server = createServer((req, res) => {
    const rule = judge(req);
    if (rule === 'cut') return req.socket.destroy();
    if (rule === 'refuse') return res.writeHead(403).end('blocked');
    if (rule === 'hold') return;
    const onward = ask(
      {
        host: upstream.hostname,
        port: upstream.port,
        path: req.url,
        method: req.method,
        headers: req.headers,
      },
      (answer) => {
        res.writeHead(answer.statusCode, answer.headers);
        res.flushHeaders();
        answer.pipe(res);
        answer.on('error', () => res.destroy());
      },
    );
    onward.on('error', () => req.socket.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  });
  server.on('upgrade', (req, socket, head) => {
    const rule = judge(req);
    socket.on('error', () => {});
    if (rule === 'cut') return socket.destroy();
    if (rule === 'refuse') return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    if (rule === 'hold') return;
    const onward = connect(Number(upstream.port), upstream.hostname, () => {
      const lines = [`GET ${req.url} HTTP/1.1`];
      for (let i = 0; i < req.rawHeaders.length; i += 2) {
        lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
      }
      onward.write(lines.join('\r\n') + '\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  const cutAll = () => open.forEach((socket) => socket.destroy());
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.close();
    cutAll();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, rules, seen, cutAll };
}
