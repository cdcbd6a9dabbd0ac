/** What an application's environment may say about realtime. */
export interface EnvironmentConfig {
  readonly url?: string;
  /** False: an event stream, or polling, instead of a WebSocket. */
  readonly websocket: boolean;
  /** Whether to poll while nothing is pushed. */
  readonly fallback: boolean;
  readonly fallbackIntervalMs: number;
}

const prefixes = ['', 'VITE_', 'NEXT_PUBLIC_', 'EXPO_PUBLIC_', 'REACT_APP_'];

/**
 * Reads `TIDEWIRE_URL`, `TIDEWIRE_WEBSOCKET` (on/off), `TIDEWIRE_FALLBACK` (on/off) and
 * `TIDEWIRE_FALLBACK_INTERVAL` (milliseconds, or with a unit: `15s`), also with the prefixes of
 * Vite, Next, Expo and Create React App: `configFromEnv(import.meta.env)`.
 *
 * Errors: throws an Error that names the variable when its value is none of these.
 */
export function configFromEnv(env: Readonly<Record<string, unknown>>): EnvironmentConfig {
  const read = (name: string): readonly [string, string] | null => {
    for (const prefix of prefixes) {
      const value = env[prefix + name];
      if (value !== undefined && value !== '') return [prefix + name, String(value)];
    }
    return null;
  };
  const flag = (name: string): boolean => {
    const found = read(name);
    if (!found) return true;
    const value = found[1].toLowerCase();
    if (/^(on|true|1|yes)$/.test(value)) return true;
    if (/^(off|false|0|no)$/.test(value)) return false;
    throw new Error(`${found[0]}: '${found[1]}' is neither on nor off.`);
  };
  const url = read('TIDEWIRE_URL');
  if (url && !/^https?:\/\//.test(url[1])) {
    throw new Error(`${url[0]}: '${url[1]}' is not an http or https address.`);
  }
  const interval = read('TIDEWIRE_FALLBACK_INTERVAL');
  return {
    ...(url && { url: url[1] }),
    websocket: flag('TIDEWIRE_WEBSOCKET'),
    fallback: flag('TIDEWIRE_FALLBACK'),
    fallbackIntervalMs: interval ? intervalOf(...interval) : 15_000,
  };
}

function intervalOf(name: string, text: string): number {
  const found = /^(\d+)(ms|s|min)?$/.exec(text);
  const ms = found ? Number(found[1]) * { ms: 1, s: 1000, min: 60_000 }[found[2] ?? 'ms']! : 0;
  if (ms < 1000 || ms > 3_600_000) {
    throw new Error(`${name}: '${text}' is not a time from 1s to 60min, e.g. 15s or 15000.`);
  }
  return ms;
}
