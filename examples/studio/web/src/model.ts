import { definePolicies } from '@tidewire/client/refresh';

export interface Campaign {
  id: string;
  name: string;
  channel: string;
  status: string;
  created_at: string;
}
export interface Review {
  id: string;
  campaign_id: string;
  title: string;
  copy: string;
  author: string;
  status: 'pending' | 'approved' | 'rejected';
  updated_at: string;
}
export interface Video {
  id: string;
  campaign_id: string;
  title: string;
  status: 'queued' | 'generating' | 'ready' | 'failed';
  progress: number;
  updated_at: string;
}
export interface Asset {
  id: string;
  name: string;
  kind: string;
  bytes: number;
  created_at: string;
}

/** What each page asks for, as data (mission S1.4). */
export const policies = definePolicies({
  dashboard: { poll: '30s', invalidate: true },
  reviews: { optimistic: true, invalidate: true, realtime: true, poll: '15s' },
  videos: {
    realtime: true,
    poll: {
      every: '5s',
      while: (videos: readonly Video[] | undefined) =>
        !!videos?.some((video) => video.status === 'generating'),
    },
  },
  campaigns: { optimistic: true, realtime: true },
  assets: { optimistic: true, realtime: true },
});
