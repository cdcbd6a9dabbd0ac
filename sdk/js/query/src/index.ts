/**
 * `@tidewire/query`: TanStack Query v5 kept true by a Tidewire client.
 *
 * `attachQueryClient` invalidates keys when their tables change; `realtimeQueryOptions` makes
 * ordinary query options whose rows are followed while the query exists.
 */
export { attachmentOf, attachQueryClient } from './attach.js';
export type { Attachment, AttachOptions, TableKeys } from './attachment.js';
export {
  realtimeQueryOptions,
  type NamedRealtimeQuery,
  type RealtimeOptions,
  type RealtimeQuery,
} from './options.js';
export type { NamedSpec } from './named.js';
export type { RowsSpec } from './rows.js';
