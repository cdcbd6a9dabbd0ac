// Unmodified realtime clients of several releases, from npm, behind one way of making them.
import WebSocket from 'ws';

async function realtime(name) {
  const module = await import(name);
  return module.RealtimeClient ?? module.default.RealtimeClient;
}

/** Releases of @supabase/realtime-js: what each needs to run here. */
export const releases = {
  // Its option `transport` leaves the handlers unattached: it finds `ws` by itself.
  '2.10.2': { own: true, httpSend: false },
  '2.15.5': { httpSend: false },
  '2.99.3': { httpSend: false },
  '2.110.5': { httpSend: true },
  newest: { httpSend: true },
};

/** A client that is connected with `token` as its key; disconnected when the test ends. */
export async function connect(t, server, release, { token, vsn, ...options } = {}) {
  const RealtimeClient = await realtime(`realtime-${release}`);
  const { own } = releases[release];
  const client = new RealtimeClient(`${server.url.replace(/^http/, 'ws')}/realtime/v1`, {
    params: { apikey: token ?? server.info.anon_key },
    ...(own ? {} : { transport: WebSocket }),
    ...(vsn ? { vsn } : {}),
    ...options,
  });
  t.after(() => {
    // A channel that was refused would try again for ever, and keep the process alive.
    void Promise.resolve(client.removeAllChannels()).catch(() => {});
    client.disconnect();
  });
  return client;
}

/** Subscribes; resolves with the channel's log once the server has said yes. */
export function subscribed(channel, { status: wanted = 'SUBSCRIBED' } = {}) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`never ${wanted}`)), 15_000);
    const statuses = [];
    channel.subscribe((status, error) => {
      statuses.push({ status, message: error?.message });
      if (status !== wanted) return;
      clearTimeout(timer);
      resolve(statuses);
    });
  });
}

/** A stock Phoenix socket. */
export async function phoenix(t, server, release, { token, options = {} } = {}) {
  const { Socket, Presence } = await import(`phoenix-${release}`);
  const socket = new Socket(`${server.url.replace(/^http/, 'ws')}/socket`, {
    params: { apikey: token ?? server.info.anon_key },
    transport: WebSocket,
    ...options,
  });
  t.after(() => {
    for (const channel of [...socket.channels]) channel.leave();
    socket.disconnect();
  });
  socket.connect();
  return { socket, Presence };
}
