/** The hooks that need no cache library. `@tidewire/react` has these and those for TanStack Query. */
export { TidewireProvider, useTidewire } from './context.js';
export { useConnectionStatus, type UseConnectionStatus } from './connection.js';
export {
  createTableHook,
  useAllUpdates,
  useTableUpdates,
  useUnreadCount,
  type AllTables,
  type AllUpdates,
  type Happening,
  type TableCallbacks,
  type TableOptions,
  type TableState,
} from './table.js';
export { count, latest, sum, type Derivation, type Derived, type DeriveMap } from './derive.js';
export {
  useBroadcast,
  usePresence,
  useTyping,
  type BroadcastOptions,
  type UsePresence,
  type UseTyping,
} from './room.js';
export {
  sourceLabels,
  timeOf,
  useFreshness,
  useNow,
  useSmartRefresh,
  type FreshnessOptions,
  type FreshnessState,
  type SmartRefreshHookOptions,
  type SourceFreshness,
  type UseSmartRefresh,
} from './freshness.js';
export { filtersOf, type Where } from './where.js';
