/**
 * `@tidewire/react`: hooks over a Tidewire client. Those that need no cache library are also in
 * `@tidewire/react/hooks`; those of this entry alone use TanStack Query.
 */
export * from './hooks.js';
export { useAttachment } from './attachment.js';
export type { Fallback } from './fallback.js';
export type { NamedSyncState, UseNamedQueryOptions, UseNamedQueryResult } from './named.js';
export {
  createEntityHooks,
  useAutoRefreshOnSync,
  useOptimisticMutation,
  usePendingMutations,
  useRealtimeQuery,
  type EntityHooks,
  type EntityQueryOptions,
  type RefreshTarget,
  type SyncState,
  type UseOptimisticMutationResult,
  type UseRealtimeQueryOptions,
  type UseRealtimeQueryResult,
} from './query.js';
