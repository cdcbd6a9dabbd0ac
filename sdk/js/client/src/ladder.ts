import { backOff, drop, patch, setTimer, type Draft, type Fate, type Transport } from './state.js';

/**
 * Which transport is used: WebSocket, else server-sent events, else long polling, else polling.
 * The invariants are in machine.ts, I13 to I16.
 *
 *   ws ──unfit, or 3 that did not last──▶ sse ──…──▶ longpoll ──…──▶ poll ──…──▶ ws, from the top
 *    ▲                                     │            │              │
 *    └── a probe beside the connection was answered ────┴──────────────┘
 */

/** Connections in a row that did not last, after which another transport is used. */
export const quickMax = 3;
const probeMsMax = 600_000;

/** Polls are asked and answered all the time; only the others need heartbeats to be heard. */
export const beats = (transport: Transport) => transport === 'ws' || transport === 'sse';

export const transportOf = ({ state }: Draft): Transport => state.limits.transports[state.rung]!;

/**
 * A connection was lost, or did not open: which transport is next. True when it is a lower one,
 * which need not wait for what the last one did.
 */
export function descend(draft: Draft, fate: Fate | undefined): boolean {
  const { rung, lasted, limits } = draft.state;
  const quick = draft.state.quick + 1;
  patch(draft, { lasted: false });
  if (fate === 'down' && transportOf(draft) !== 'sse') {
    // Not even a plain request was served: nothing was learned but that the server is away.
    patch(draft, { quick: 0, rung: 0 });
    return false;
  }
  if (lasted || (!fate && quick < quickMax)) {
    patch(draft, { quick: lasted ? 0 : quick });
    return false;
  }
  const next = (rung + 1) % limits.transports.length;
  patch(draft, { rung: next, quick: 0 });
  return next > 0;
}

/** While a lower transport serves, the better ones are tried now and then. */
export function planProbe(draft: Draft): void {
  const { rung, probes, limits } = draft.state;
  const window = backOff(limits.probeBaseMs, probeMsMax, probes);
  setTimer(draft, 'probe', rung > 0 ? window * (0.5 + draft.env.random / 2) : null);
}

/** Opens a better transport beside the current connection. */
export function probe(draft: Draft): void {
  const { rung, probes, conns, token, limits, probe: running } = draft.state;
  if (rung === 0 || running) return;
  const target = { conn: conns + 1, rung: probes % rung };
  patch(draft, { probe: target, conns: target.conn, probes: probes + 1 });
  const transport = limits.transports[target.rung]!;
  draft.effects.push({ type: 'connect', conn: target.conn, transport, token: token ?? '' });
  setTimer(draft, 'probe', limits.answerMs);
}

export function endProbe(draft: Draft): void {
  if (draft.state.probe) drop(draft, draft.state.probe.conn);
  patch(draft, { probe: null });
}
