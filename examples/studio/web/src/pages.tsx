import { useState, type FormEvent, type ReactNode } from 'react';
import { randomId } from '@tidewire/client';
import { timeOf, useNow } from '@tidewire/react/hooks';
import useSWR from 'swr';
import { policies, type Asset, type Campaign, type Review, type Video } from './model.js';
import { useCreateCampaign, useDecide, useUpload } from './mutations.js';
import { useSession } from './session.js';

export function Dashboard(): ReactNode {
  const { client, realtime } = useSession();
  const { data, error } = useSWR(
    'dashboard/stats',
    async () => {
      const [campaigns, reviews, videos] = await Promise.all([
        client.select<Campaign>('campaigns', { select: 'id,status' }),
        client.select<Review>('reviews', { select: 'id,status' }),
        client.select<Video>('videos', { select: 'id,status' }),
      ]);
      return [
        ['Live campaigns', campaigns.rows.filter((row) => row.status === 'live').length],
        ['To review', reviews.rows.filter((row) => row.status === 'pending').length],
        ['Approved', reviews.rows.filter((row) => row.status === 'approved').length],
        ['Videos ready', videos.rows.filter((row) => row.status === 'ready').length],
      ] as const;
    },
    {
      refreshInterval: 30_000,
      use: [
        realtime.refreshOn('campaigns'),
        realtime.refreshOn('reviews'),
        realtime.refreshOn('videos'),
      ],
    },
  );
  return (
    <Page title="Today" error={data ? null : error}>
      <dl className="figures">
        {(data ?? Array.from({ length: 4 }, () => ['', null] as const)).map(([label, value], i) => (
          <div key={label || i}>
            <dt>{label || <span className="skeleton" />}</dt>
            <dd data-testid={`stat-${label}`}>{value ?? ' '}</dd>
          </div>
        ))}
      </dl>
      <Reviews limit={3} />
    </Page>
  );
}

export function Reviews({ limit = Infinity }: { limit?: number }): ReactNode {
  const { realtime } = useSession();
  const [all, setAll] = useState(false);
  const { data, error } = realtime.useRealtimeSWR<Review>('reviews', {
    table: 'reviews',
    order: 'updated_at.desc,id',
    policy: policies.reviews,
  });
  const { trigger } = useDecide();
  const shown = data
    ?.filter((review) => all || limit < Infinity || review.status === 'pending')
    .slice(0, limit);
  const decide = (id: string, status: Review['status']) =>
    void trigger({ id, status, at: new Date().toISOString() }).catch(() => {});
  const list = (
    <ul className="reviews">
      {data ? null : <Skeletons />}
      {shown?.map((review) => (
        <li key={review.id} data-testid="review" data-id={review.id} data-status={review.status}>
          <header>
            <b>{review.title}</b>
            <span className="muted">
              {review.author}, <Ago at={review.updated_at} />
            </span>
          </header>
          <blockquote>{review.copy}</blockquote>
          <footer>
            <span className="state" data-value={review.status}>
              {review.status}
            </span>
            <button type="button" onClick={() => decide(review.id, 'rejected')}>
              Reject
            </button>
            <button type="button" className="primary" onClick={() => decide(review.id, 'approved')}>
              Approve
            </button>
          </footer>
        </li>
      ))}
      {shown?.length === 0 ? <li className="empty">All is reviewed. Enjoy the quiet.</li> : null}
    </ul>
  );
  if (limit < Infinity) return list;
  return (
    <Page title="Reviews" error={data ? null : error}>
      <label className="toggle">
        <input type="checkbox" checked={all} onChange={() => setAll(!all)} />
        Show what is decided
      </label>
      {list}
    </Page>
  );
}

export function Videos(): ReactNode {
  const { realtime } = useSession();
  const [campaign, setCampaign] = useState('c1');
  const campaigns = useCampaigns();
  const { data, error, isLive } = realtime.useRealtimeSWR<Video>(['videos', campaign], {
    table: 'videos',
    filters: { campaign_id: `eq.${campaign}` },
    order: 'title',
    policy: policies.videos,
  });
  return (
    <Page title="Videos" error={data ? null : error}>
      <div className="chips" role="group" aria-label="Campaign">
        {campaigns.data?.map((each) => (
          <button
            key={each.id}
            type="button"
            aria-pressed={campaign === each.id}
            onClick={() => setCampaign(each.id)}
          >
            {each.name}
          </button>
        ))}
      </div>
      <ul className="videos" data-live={isLive}>
        {data ? null : <Skeletons />}
        {data?.map((video) => (
          <li key={video.id} data-testid="video" data-id={video.id} data-status={video.status}>
            <span className="frame" aria-hidden="true" />
            <b>{video.title}</b>
            <span className="state" data-value={video.status}>
              {video.status}
            </span>
            {video.status === 'generating' || video.status === 'queued' ? (
              <progress max={100} value={video.progress} aria-label={`${video.title}, progress`} />
            ) : null}
          </li>
        ))}
        {data?.length === 0 ? <li className="empty">No videos for this campaign yet.</li> : null}
      </ul>
    </Page>
  );
}

function useCampaigns() {
  const { realtime } = useSession();
  return realtime.useRealtimeSWR<Campaign>('campaigns', {
    table: 'campaigns',
    order: 'created_at.desc',
    policy: policies.campaigns,
  });
}

export function Campaigns(): ReactNode {
  const { data, error } = useCampaigns();
  const { trigger } = useCreateCampaign();
  const [name, setName] = useState('');
  const create = (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return;
    const created_at = new Date().toISOString();
    const id = randomId();
    const row = { id, name: name.trim(), channel: 'Social', status: 'draft', created_at };
    void trigger(row).catch(() => {});
    setName('');
  };
  return (
    <Page title="Campaigns" error={data ? null : error}>
      <form className="create" onSubmit={create}>
        <label className="tw-hidden" htmlFor="campaign">
          Name of the campaign
        </label>
        <input
          id="campaign"
          value={name}
          maxLength={80}
          placeholder="A new campaign"
          onChange={(event) => setName(event.target.value)}
        />
        <button type="submit" className="primary" disabled={!name.trim()}>
          Create
        </button>
      </form>
      <ul className="lines">
        {data ? null : <Skeletons />}
        {data?.map((campaign) => (
          <li key={campaign.id} data-testid="campaign">
            <b>{campaign.name}</b>
            <span className="muted">{campaign.channel}</span>
            <span className="state" data-value={campaign.status}>
              {campaign.status}
            </span>
          </li>
        ))}
      </ul>
    </Page>
  );
}

const size = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 1 });

export function Assets(): ReactNode {
  const { realtime } = useSession();
  const { data, error } = realtime.useRealtimeSWR<Asset>('assets', {
    table: 'brand_assets',
    order: 'created_at.desc',
    policy: policies.assets,
  });
  const { trigger } = useUpload();
  const add = (files: FileList | null) => {
    for (const { name, size: bytes, type } of files ?? []) {
      const created_at = new Date().toISOString();
      const kind = type.split('/')[0] || 'file';
      void trigger({ id: randomId(), name, kind, bytes, created_at }).catch(() => {});
    }
  };
  return (
    <Page title="Brand assets" error={data ? null : error}>
      <label className="drop">
        <input type="file" multiple onChange={(event) => add(event.target.files)} />
        <span>Add files</span>
        <span className="muted">
          Their names and sizes are listed; nothing leaves this machine.
        </span>
      </label>
      <ul className="lines">
        {data ? null : <Skeletons />}
        {data?.map((asset) => (
          <li key={asset.id} data-testid="asset">
            <b>{asset.name}</b>
            <span className="muted">{asset.kind}</span>
            <span className="muted">{size.format(asset.bytes)}B</span>
          </li>
        ))}
      </ul>
    </Page>
  );
}

function Page(props: { title: string; error: Error | null | undefined; children: ReactNode }) {
  return (
    <section aria-labelledby="page-title">
      <h2 id="page-title">{props.title}</h2>
      {props.error ? (
        <p className="problem" role="alert">
          {props.error.message} It is tried again by itself.
        </p>
      ) : null}
      {props.children}
    </section>
  );
}

function Skeletons(): ReactNode {
  return [1, 2, 3].map((n) => (
    <li key={n} aria-hidden="true">
      <span className="skeleton" />
    </li>
  ));
}

function Ago({ at }: { at: string }): ReactNode {
  const now = useNow(10_000);
  const minutes = Math.floor((now - (timeOf(at) ?? now)) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 1_440
    ? `${Math.floor(minutes / 60)} h ago`
    : `${Math.floor(minutes / 1_440)} d ago`;
}
