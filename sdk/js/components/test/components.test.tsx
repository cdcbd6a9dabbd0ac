// @vitest-environment happy-dom
import { readFileSync } from 'node:fs';
import { TidewireProvider, useAllUpdates } from '@tidewire/react/hooks';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FakeClient, render, settle, type Rendered } from '../../react/test/support.js';
import {
  ConnectionStatus,
  FreshnessBar,
  MultiSubscriptionStatus,
  NotificationProvider,
  RealtimeNotification,
  UnreadBadge,
  useNotifications,
} from '../src/index.js';

let fake: FakeClient;
let page: Rendered | null = null;
beforeEach(() => {
  fake = new FakeClient();
});
afterEach(async () => {
  await page?.unmount();
  page = null;
});
const show = async (node: ReactNode) => {
  page = await render(<TidewireProvider client={fake.asClient}>{node}</TidewireProvider>);
  return page.container;
};

it('says the five states, keeps still over a short break, and retries', async () => {
  const container = await show(<ConnectionStatus variant="card" showAfterMs={60} />);
  const word = () => container.querySelector('[role=status]')!.textContent;
  expect(word()).toBe('Live');
  fake.setStatus({ state: 'reconnecting', simple: 'reconnecting', attempt: 2 });
  await settle(10);
  expect(word()).toBe('Live');
  await vi.waitFor(() => expect(word()).toBe('Reconnecting…'));
  expect(container.textContent).toContain('Attempt 2');
  container.querySelector('button')!.click();
  expect(fake.retries).toBe(1);
  for (const [simple, says] of [
    ['error', 'No connection'],
    ['disconnected', 'Offline'],
    ['connecting', 'Connecting…'],
    ['connected', 'Live'],
  ] as const) {
    fake.setStatus({ simple });
    await vi.waitFor(() => expect(word()).toBe(says));
  }
});

it('has a badge and a compact form, with a data attribute for the state', async () => {
  const container = await show(
    <>
      <ConnectionStatus />
      <ConnectionStatus variant="compact" />
    </>,
  );
  const found = [...container.querySelectorAll('.tw-status')].map((each) => each.className.trim());
  expect(found).toEqual(['tw-status tw-status-badge', 'tw-status tw-status-compact']);
  expect(container.querySelectorAll('[data-status=connected]')).toHaveLength(2);
});

it('lists subscriptions and how many are live', async () => {
  const Part = () => (
    <MultiSubscriptionStatus updates={useAllUpdates({ jobs: {}, invoices: {} })} worstFirst />
  );
  const container = await show(<Part />);
  await vi.waitFor(() => expect(container.textContent).toContain('2 of 2 live'));
});

it('shows five kinds of notification with an action, and dismisses by button, key and time', async () => {
  const dismissed = vi.fn();
  const acted = vi.fn();
  const kinds = ['job', 'invoice', 'message', 'loyalty', 'info'] as const;
  const container = await show(
    <>
      {kinds.map((kind) => (
        <RealtimeNotification
          key={kind}
          kind={kind}
          title={kind}
          action={{ label: 'Open', onClick: acted }}
          onDismiss={() => dismissed(kind)}
          durationMs={kind === 'info' ? 30 : 0}
        />
      ))}
    </>,
  );
  await vi.waitFor(() => expect(dismissed).toHaveBeenCalledWith('info'));
  container.querySelector<HTMLButtonElement>('[data-kind=job] [aria-label=Dismiss]')!.click();
  expect(dismissed).toHaveBeenLastCalledWith('job');
  const message = container.querySelector('[data-kind=message]')!;
  message.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  expect(dismissed).toHaveBeenLastCalledWith('message');
  container.querySelector<HTMLButtonElement>('[data-kind=loyalty] .tw-button')!.click();
  expect(acted).toHaveBeenCalledTimes(1);
  expect(dismissed).toHaveBeenLastCalledWith('loyalty');
});

it('shows toasts that pass, and remembers what is unread', async () => {
  let all!: ReturnType<typeof useNotifications>;
  const Part = () => {
    all = useNotifications();
    return <UnreadBadge count={all.unread} max={2} />;
  };
  const container = await show(
    <NotificationProvider>
      <Part />
    </NotificationProvider>,
  );
  expect(container.querySelector('[data-testid=unread]')).toBeNull();
  for (const n of [1, 2, 3]) all.notify({ kind: 'info', title: `Meta Ads ${n}`, durationMs: 400 });
  await vi.waitFor(() => expect(container.querySelectorAll('.tw-notification')).toHaveLength(3));
  expect(container.querySelector('[data-testid=unread]')!.textContent).toBe('2+3 unread');
  await vi.waitFor(() => expect(container.querySelectorAll('.tw-notification')).toHaveLength(0));
  all.markRead('all');
  await vi.waitFor(() => expect(container.querySelector('[data-testid=unread]')).toBeNull());
  expect(all.items).toHaveLength(3);
});

it('shows how fresh the sources are and refreshes by hand', async () => {
  fake.rows['data_freshness'] = [
    {
      id: 1,
      organization_id: 'o1',
      source: 'meta',
      last_synced_at: new Date(Date.now() - 302_000).toISOString(),
      last_sync_status: 'success',
    },
    { id: 2, organization_id: 'o1', source: 'switchboard', last_sync_status: 'failed' },
  ];
  const refresh = vi.fn();
  const container = await show(<FreshnessBar organizationId="o1" onRefresh={refresh} />);
  await vi.waitFor(() => expect(container.textContent).toContain('Meta Ads5 min ago'));
  expect(container.querySelector('[data-source=switchboard]')!.textContent).toContain('failed');
  container.querySelector('button')!.click();
  expect(refresh).toHaveBeenCalledTimes(1);
});

it('reaches WCAG AA in light and dark', () => {
  const css = readFileSync('sdk/js/components/styles.css', 'utf8');
  const luminance = (hex: string) => {
    const [r, g, b] = [1, 3, 5].map((i) => {
      const c = parseInt(hex.slice(i, i + 2), 16) / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const contrast = (a: string, b: string) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light! + 0.05) / (dark! + 0.05);
  };
  const blocks = css.match(/\{[^{}]*--tw-surface: [^{}]*\}/g)!;
  expect(blocks).toHaveLength(3);
  for (const block of blocks) {
    const colour = (name: string) => new RegExp(`--tw-${name}: (#\\w{6})`).exec(block)![1]!;
    const pairs = [
      ['text', 'surface'],
      ['muted', 'surface'],
      ['good', 'surface'],
      ['warn', 'surface'],
      ['bad', 'surface'],
      ['accent', 'surface'],
      ['good', 'good-soft'],
      ['warn', 'warn-soft'],
      ['bad', 'bad-soft'],
      ['accent-text', 'accent'],
    ] as const;
    for (const [front, back] of pairs) {
      const reached = contrast(colour(front), colour(back));
      expect(reached, `${front} on ${back}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});
