/**
 * `@tidewire/components`: what a screen shows of its connection and its data. Import
 * `@tidewire/components/styles.css` once; its variables (`--tw-…`) are the theme.
 */
export {
  ConnectionStatus,
  connectionLabels,
  MultiSubscriptionStatus,
  type ConnectionLabels,
  type ConnectionStatusProps,
  type MultiSubscriptionStatusProps,
  type SimpleStatus,
} from './status.js';
export {
  NotificationProvider,
  NotificationStore,
  RealtimeNotification,
  UnreadBadge,
  useNotifications,
  useNotify,
  type NewNotification,
  type Notification,
  type NotificationKind,
  type RealtimeNotificationProps,
  type UseNotifications,
} from './notifications.js';
export { formatAge, FreshnessBar, type FreshnessBarProps } from './freshness.js';
