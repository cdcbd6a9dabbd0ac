/**
 * `@tidewire/devtools`: what the client does, while developing. Make a recorder of the client, give
 * `recorder.attachOptions` to `attachQueryClient`, and show the panel.
 */
export {
  Recorder,
  type EventRecord,
  type FetchRecord,
  type Metrics,
  type RecorderState,
  type SubscriptionRecord,
  type WhyRecord,
} from './recorder.js';
export { TidewireDevtools } from './panel.js';
