import { useCallback, useSyncExternalStore } from 'react';
import type { Client, ConnectionStatus } from '@tidewire/client';
import { useTidewire } from './context.js';

export interface UseConnectionStatus extends ConnectionStatus {
  /** Tries at once instead of waiting. */
  retry(): void;
}

const withRetry = new WeakMap<ConnectionStatus, UseConnectionStatus>();

function statusOf(client: Client): UseConnectionStatus {
  const { status } = client;
  let known = withRetry.get(status);
  if (!known) {
    known = { ...status, retry: () => client.retry() };
    withRetry.set(status, known);
  }
  return known;
}

/** What the connection is doing; `simple` says it in the five words. With `select`, one part. */
export function useConnectionStatus(): UseConnectionStatus;
export function useConnectionStatus<T>(select: (status: UseConnectionStatus) => T): T;
export function useConnectionStatus<T>(select?: (status: UseConnectionStatus) => T) {
  const client = useTidewire();
  const subscribe = useCallback((listener: () => void) => client.onStatus(listener), [client]);
  const snapshot = () => (select ? select(statusOf(client)) : statusOf(client));
  return useSyncExternalStore<T | UseConnectionStatus>(subscribe, snapshot, snapshot);
}
