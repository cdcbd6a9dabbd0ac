import { TidewireError } from '@tidewire/client';
import { useNotify } from '@tidewire/components';
import type { UseOptimisticSWRMutation } from '@tidewire/swr';
import type { Asset, Campaign, Review } from './model.js';
import { useSession } from './session.js';

export interface Decision {
  readonly id: string;
  readonly status: Review['status'];
  /** When it was decided: the same in every attempt to send it. */
  readonly at: string;
}

/** Approve or reject: shown at once, queued while offline, rolled back with a word when refused. */
export function useDecide(): UseOptimisticSWRMutation<Decision, unknown> {
  const { client, realtime } = useSession();
  const notify = useNotify();
  return realtime.useOptimisticSWRMutation({
    mutationKey: ['reviews', 'decide'],
    offline: 'queue',
    scope: ({ id }) => `reviews:${id}`,
    mutationFn: async ({ id, status, at }, { mutationId }) => {
      const written = await client.write({
        table: 'reviews',
        method: 'update',
        filters: { id: `eq.${id}` },
        values: { status, updated_at: at },
        mutationId,
      });
      // Row policies do not refuse an update: they let it touch no row.
      if (written.rows.length === 0) {
        throw new TidewireError(403, 'It is not yours to decide, or it is gone.');
      }
      return written;
    },
    apply: (store, { id, status }) =>
      store.update<Review[]>(['reviews'], (rows) =>
        rows.map((row) => (row.id === id ? { ...row, status } : row)),
      ),
    onRejected: (error) =>
      notify({ kind: 'info', tone: 'bad', title: 'The decision was undone', text: error.message }),
  });
}

/** A row of one's own making: it is on the screen before the server has heard of it. */
function useCreate<Row extends { id: string }>(table: string, key: string, what: string) {
  const { client, realtime } = useSession();
  const notify = useNotify();
  return realtime.useOptimisticSWRMutation<Row, unknown>({
    mutationKey: [table, 'create'],
    offline: 'queue',
    scope: ({ id }) => `${table}:${id}`,
    mutationFn: (row, { mutationId }) =>
      client.write({ table, method: 'insert', values: row, mutationId }),
    apply: (store, row) => store.insert<Row>([key], row),
    onRejected: (error) =>
      notify({ kind: 'info', tone: 'bad', title: `${what} was not kept`, text: error.message }),
  });
}

/** What waits of an earlier visit is sent wherever in the studio one is: call it at the root. */
export function useQueuedMutations(): void {
  useDecide();
  useCreateCampaign();
  useUpload();
}

export const useCreateCampaign = () =>
  useCreate<Campaign>('campaigns', 'campaigns', 'The campaign');
export const useUpload = () => useCreate<Asset>('brand_assets', 'assets', 'The file');
