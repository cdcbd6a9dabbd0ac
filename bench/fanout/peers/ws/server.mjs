// The fan-out peer that people write with npm `ws`: every broadcast goes to all other sockets of
// its topic. Speaks as much of the protocol as the load generator does.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const http = createServer();
const sockets = new WebSocketServer({ server: http, perMessageDeflate: false });
const topics = new Map();

function join(socket, topic, joinRef, ref) {
  if (!topics.has(topic)) topics.set(topic, new Set());
  const members = topics.get(topic);
  members.add(socket);
  socket.on('close', () => members.delete(socket));
  const response = { postgres_changes: [] };
  socket.send(JSON.stringify([joinRef, ref, topic, 'phx_reply', { status: 'ok', response }]));
}

sockets.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  socket.on('message', (data) => {
    const [joinRef, ref, topic, event, payload] = JSON.parse(data);
    if (event === 'phx_join') return join(socket, topic, joinRef, ref);
    if (event !== 'broadcast') return;
    const text = JSON.stringify([null, null, topic, event, payload]);
    for (const member of topics.get(topic) ?? []) {
      if (member !== socket) member.send(text);
    }
  });
});

http.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  const { port } = http.address();
  console.log(JSON.stringify({ realtime_url: `ws://127.0.0.1:${port}/realtime/v1` }));
});
