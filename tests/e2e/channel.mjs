// A realtime connection without any client library.
import assert from 'node:assert/strict';
import WebSocket from 'ws';

/** One realtime connection with one joined channel. */
export async function channel(t, server, token, config = {}, topic = 'realtime:tidewire') {
  const socket = new WebSocket(
    `${server.url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=${token}`,
  );
  t.after(() => socket.terminate());
  await new Promise((done, fail) => socket.once('open', done).once('error', fail));
  const pushes = [];
  const replies = new Map();
  const texts = [];
  socket.on('message', (data) => {
    texts.push(data.toString());
    const [, ref, , event, payload] = JSON.parse(data);
    if (event === 'phx_reply') replies.get(ref)?.(payload);
    else pushes.push({ event, payload });
  });
  let last = 1;
  const send = (event, payload) => {
    const ref = String(++last);
    const answer = new Promise((done) => replies.set(ref, done));
    socket.send(JSON.stringify(['1', ref, topic, event, payload]));
    return answer;
  };
  const joined = new Promise((done) => replies.set('1', done));
  socket.send(JSON.stringify(['1', '1', topic, 'phx_join', { config, access_token: token }]));
  assert.equal((await joined).status, 'ok');
  return { send, pushes, texts, socket };
}
