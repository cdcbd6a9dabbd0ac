import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from 'react';

export type NotificationKind = 'job' | 'invoice' | 'message' | 'loyalty' | 'info';

export interface Notification {
  readonly id: number;
  readonly kind: NotificationKind;
  readonly title: string;
  readonly text?: string;
  readonly tone?: 'normal' | 'good' | 'bad';
  readonly action?: { readonly label: string; readonly onClick: () => void };
  readonly at: number;
  readonly read: boolean;
}

export type NewNotification = Omit<Notification, 'id' | 'at' | 'read'> & {
  /** How long the toast stays, milliseconds; 0: until it is dismissed. 3 000 by default. */
  readonly durationMs?: number;
};

const itemsMax = 200;
const toastsMax = 4;

/** What has been told to the user: toasts that pass, and a list that remembers what is unread. */
export class NotificationStore {
  items: readonly Notification[] = [];
  toasts: readonly (Notification & { readonly durationMs: number })[] = [];
  #next = 1;
  #listeners = new Set<() => void>();

  onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Shows a toast and adds it to the list; returns its id. */
  notify = ({ durationMs = 3_000, ...what }: NewNotification): number => {
    const item: Notification = { ...what, id: this.#next++, at: Date.now(), read: false };
    this.items = [item, ...this.items].slice(0, itemsMax);
    this.toasts = [...this.toasts, { ...item, durationMs }].slice(-toastsMax);
    this.#publish();
    return item.id;
  };

  /** Takes the toast away; the list keeps it. */
  hide = (id: number): void => {
    if (!this.toasts.some((each) => each.id === id)) return;
    this.toasts = this.toasts.filter((each) => each.id !== id);
    this.#publish();
  };

  dismiss = (id: number): void => {
    this.items = this.items.filter((each) => each.id !== id);
    this.toasts = this.toasts.filter((each) => each.id !== id);
    this.#publish();
  };

  markRead = (id: number | 'all'): void => {
    this.items = this.items.map((each) =>
      id === 'all' || each.id === id ? { ...each, read: true } : each,
    );
    this.#publish();
  };

  #publish(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

const NotificationContext = createContext<NotificationStore | null>(null);

/** Holds the notifications of the part of the screen below it, and shows their toasts. */
export function NotificationProvider(props: {
  store?: NotificationStore;
  position?: 'top-right' | 'bottom-right' | 'bottom';
  children?: ReactNode;
}): ReactNode {
  const [own] = useState(() => props.store ?? new NotificationStore());
  return (
    <NotificationContext.Provider value={props.store ?? own}>
      {props.children}
      <Toasts position={props.position ?? 'bottom-right'} />
    </NotificationContext.Provider>
  );
}

function useStore(): NotificationStore {
  const store = useContext(NotificationContext);
  if (!store) throw new Error('No <NotificationProvider> above this component.');
  return store;
}

export interface UseNotifications {
  readonly items: readonly Notification[];
  readonly unread: number;
  notify(what: NewNotification): number;
  markRead(id: number | 'all'): void;
  dismiss(id: number): void;
}

/** The list of notifications, all or of some kinds. */
export function useNotifications(options: { kinds?: readonly NotificationKind[] } = {}) {
  const store = useStore();
  const items = useSyncExternalStore(
    store.onChange,
    () => store.items,
    () => store.items,
  );
  const { kinds } = options;
  const shown = kinds ? items.filter((each) => kinds.includes(each.kind)) : items;
  const { notify, markRead, dismiss } = store;
  const unread = shown.filter((each) => !each.read).length;
  return { items: shown, unread, notify, markRead, dismiss } satisfies UseNotifications;
}

/** How to notify, without rendering again for other notifications. */
export function useNotify(): NotificationStore['notify'] {
  return useStore().notify;
}

function Toasts({ position }: { position: string }): ReactNode {
  const store = useStore();
  const toasts = useSyncExternalStore(
    store.onChange,
    () => store.toasts,
    () => store.toasts,
  );
  return (
    <ol className={`tw-toasts tw-toasts-${position}`} aria-label="Notifications">
      {toasts.map(({ durationMs, ...toast }) => (
        <li key={toast.id}>
          <RealtimeNotification
            {...toast}
            durationMs={durationMs}
            onDismiss={() => store.hide(toast.id)}
          />
        </li>
      ))}
    </ol>
  );
}

export interface RealtimeNotificationProps {
  readonly kind?: NotificationKind;
  readonly title: string;
  readonly text?: string;
  readonly tone?: 'normal' | 'good' | 'bad';
  readonly action?: { readonly label: string; readonly onClick: () => void };
  readonly onDismiss?: () => void;
  /** Dismissed by itself after so long; 0: never. Waits while it is pointed at or focused. */
  readonly durationMs?: number;
}

const marks: Record<NotificationKind, string> = {
  job: 'M4 7h16v12H4zM9 7V4h6v3',
  invoice: 'M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6',
  message: 'M4 5h16v11H9l-5 4z',
  loyalty: 'M12 3l2.7 5.6 6.1.8-4.5 4.2 1.1 6.1L12 16.8l-5.4 2.9 1.1-6.1L3.2 9.4l6.1-.8z',
  info: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 8v.01',
};

/** One notification: what happened, what can be done about it, and a way to dismiss it. */
export function RealtimeNotification({
  kind = 'info',
  title,
  text,
  tone = 'normal',
  action,
  onDismiss,
  durationMs = 3_000,
}: RealtimeNotificationProps): ReactNode {
  const [held, setHeld] = useState(false);
  const dismiss = useRef(onDismiss);
  useEffect(() => {
    dismiss.current = onDismiss;
  });
  useEffect(() => {
    if (held || durationMs === 0) return;
    const timer = setTimeout(() => dismiss.current?.(), durationMs);
    return () => clearTimeout(timer);
  }, [held, durationMs]);
  const hold = useCallback(() => setHeld(true), []);
  const release = useCallback(() => setHeld(false), []);
  return (
    <div
      className="tw-notification"
      data-kind={kind}
      data-tone={tone}
      role={tone === 'bad' ? 'alert' : 'status'}
      onMouseEnter={hold}
      onMouseLeave={release}
      onFocus={hold}
      onBlur={release}
      onKeyDown={(event) => event.key === 'Escape' && onDismiss?.()}
    >
      <svg className="tw-notification-mark" viewBox="0 0 24 24" aria-hidden="true">
        <path d={marks[kind]} />
      </svg>
      <div className="tw-notification-text">
        <b>{title}</b>
        {text ? <span>{text}</span> : null}
      </div>
      {action ? (
        <button
          type="button"
          className="tw-button"
          onClick={() => {
            action.onClick();
            onDismiss?.();
          }}
        >
          {action.label}
        </button>
      ) : null}
      {onDismiss ? (
        <button type="button" className="tw-close" aria-label="Dismiss" onClick={onDismiss}>
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6 6l12 12M18 6L6 18" />
          </svg>
        </button>
      ) : null}
    </div>
  );
}

/** A number of unread things; nothing at all while there are none. */
export function UnreadBadge(props: { count: number; max?: number; label?: string }): ReactNode {
  const { count, max = 99, label = 'unread' } = props;
  if (count <= 0) return null;
  return (
    <span className="tw-unread" data-testid="unread">
      <span aria-hidden="true">{count > max ? `${max}+` : count}</span>
      <span className="tw-hidden">{`${count} ${label}`}</span>
    </span>
  );
}
