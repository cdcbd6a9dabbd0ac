/**
 * `@tidewire/swr`: SWR kept true by a Tidewire client. The data stays under ordinary SWR keys, so
 * that `mutate`, filters and other hooks see it.
 */
export {
  createRealtimeSWR,
  type RealtimeNamedQuery,
  type RealtimeSWR,
  type RealtimeTable,
  type UseOptimisticSWRMutation,
} from './realtime.js';
