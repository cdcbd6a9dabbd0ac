/**
 * `@tidewire/client`: committed row changes, live, with nothing missed and nothing twice.
 *
 * Start here: {@link createClient}; the state machine and its invariants are in `machine.ts`.
 */
export { createClient } from './client.js';
export type {
  Client,
  ClientOptions,
  Environment,
  SubscribeOptions,
  Subscription,
  SubscriptionStatus,
  WebSocketLike,
} from './client.js';
export type { LiveOptions, LiveRows, LiveSnapshot } from './live.js';
export {
  defineEntities,
  onceById,
  onEntityEvents,
  toEntityEvent,
  type Entities,
  type Entity,
  type EntityAction,
  type EntityEvent,
} from './entities.js';
export { configFromEnv, type EnvironmentConfig } from './environment.js';
export { comparePositions, laterPosition, type Position } from './position.js';
export type { Change, ChangeEvent, ChangeType, Verdict, VerdictReason } from './protocol.js';
export type { Member, Room, RoomOptions, SendOutcome } from './room.js';
export { filterOf, TidewireError, type SelectQuery, type SelectResult } from './rest.js';
export type { ConnectionStatus } from './status.js';
export type { WriteRequest, WriteResult } from './write.js';
export { quote } from './refresh.js';
