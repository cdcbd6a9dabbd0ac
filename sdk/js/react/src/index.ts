/**
 * `@tidewire/react`: hooks over a Tidewire client. Those that need no cache library are also in
 * `@tidewire/react/hooks`; those of this entry alone use TanStack Query.
 */
export * from './hooks.js';
export {
  createEntityHooks,
  useAttachment,
  useAutoRefreshOnSync,
  useOptimisticMutation,
  usePendingMutations,
  useRealtimeQuery,
  type EntityHooks,
  type EntityQueryOptions,
  type Fallback,
  type RefreshTarget,
  type SyncState,
  type UseOptimisticMutationResult,
  type UseRealtimeQueryOptions,
  type UseRealtimeQueryResult,
} from './query.js';
