import { memo, useMemo, useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useAgo, useMotions, useSession, type Motion } from '../hooks.js';
import {
  formatCount,
  initialsOf,
  linesOf,
  nameOf,
  stageLabel,
  stageOf,
  stages,
  timeOf,
  type Lead,
  type StageId,
} from '../model.js';
import { leadsMax } from '../session.js';
import { Notice } from './notice.js';

const cardsShown = 25;

/** The pipeline: one column per stage, the most recently touched lead on top. */
export function Board() {
  const { options, user } = useSession();
  const { data, isPending, isError, error, refetch } = useQuery(options.leads);
  const motions = useMotions(data);
  const scroller = useRef<HTMLDivElement>(null);
  const columns = useMemo(() => {
    const byStage = new Map<StageId, Lead[]>(stages.map((stage) => [stage.id, []]));
    for (const lead of data ?? []) byStage.get(stageOf(lead))!.push(lead);
    return byStage;
  }, [data]);
  const total = data?.length ?? 0;

  const show = (id: StageId) => {
    const column = scroller.current?.querySelector(`[data-stage="${id}"]`);
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    column?.scrollIntoView({
      behavior: calm ? 'auto' : 'smooth',
      inline: 'start',
      block: 'nearest',
    });
  };

  return (
    <section className="board-section" aria-labelledby="board-title" aria-busy={isPending}>
      <div className="section-head">
        <h2 id="board-title">Pipeline</h2>
        <p className="muted" data-testid="lead-count" data-value={total}>
          {isPending
            ? 'Loading leads'
            : `${formatCount(total)}${total >= leadsMax ? ' most recent' : ''} ${total === 1 ? 'lead' : 'leads'} in ${user.name}`}
        </p>
      </div>
      <nav className="stage-nav" aria-label="Stages" hidden={!isPending && total === 0}>
        {stages.map((stage) => (
          <button type="button" key={stage.id} onClick={() => show(stage.id)}>
            <span className={`stage-dot stage-${stage.id}`} aria-hidden="true" />
            {stage.label} <b>{columns.get(stage.id)!.length}</b>
          </button>
        ))}
      </nav>
      {isError && !data && (
        <Notice
          title="The leads could not be read"
          text={error.message}
          onRetry={() => void refetch()}
        />
      )}
      {data && total === 0 && <EmptyBoard />}
      {(isPending || total > 0) && (
        <div className="board" ref={scroller} tabIndex={0} role="group" aria-label="Pipeline board">
          {stages.map((stage) => (
            <Column
              key={stage.id}
              id={stage.id}
              leads={isPending ? null : columns.get(stage.id)!}
              motions={motions}
            />
          ))}
        </div>
      )}
    </section>
  );
}

function Column(props: {
  id: StageId;
  leads: readonly Lead[] | null;
  motions: ReadonlyMap<string, Motion>;
}) {
  const { id, leads, motions } = props;
  const [all, setAll] = useState(false);
  const shown = all ? leads : leads?.slice(0, cardsShown);
  const hidden = (leads?.length ?? 0) - (shown?.length ?? 0);
  return (
    <section
      className="column"
      data-stage={id}
      data-testid={`column-${id}`}
      aria-label={stageLabel(id)}
    >
      <h3>
        <span className={`stage-dot stage-${id}`} aria-hidden="true" />
        {stageLabel(id)}
        <span className="column-count" data-testid={`count-${id}`}>
          {leads ? formatCount(leads.length) : ''}
        </span>
      </h3>
      {leads ? (
        <ul>
          {shown!.map((lead) => (
            <LeadCard key={lead.lead_email} lead={lead} motion={motions.get(lead.lead_email)} />
          ))}
          {leads.length === 0 && <li className="column-empty">No leads here</li>}
          {hidden > 0 && (
            <li>
              <button type="button" className="more" onClick={() => setAll(true)}>
                Show {formatCount(hidden)} more
              </button>
            </li>
          )}
        </ul>
      ) : (
        <ul aria-hidden="true">
          {[0, 1, 2].map((i) => (
            <li className="card card-skeleton" key={i}>
              <span className="skeleton" />
              <span className="skeleton skeleton-short" />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

const LeadCard = memo(function LeadCard(props: { lead: Lead; motion: Motion | undefined }) {
  const { lead, motion } = props;
  const ago = useAgo(timeOf(lead.updated_at));
  const lines = linesOf(lead);
  return (
    <li
      // A new motion is a new element, so that the highlight plays again.
      key={motion?.at}
      className={motion ? 'card card-moved' : 'card'}
      data-testid="lead"
      data-email={lead.lead_email}
      data-stage={stageOf(lead)}
      data-moved={motion ? 'true' : undefined}
    >
      <span className="avatar" aria-hidden="true">
        {initialsOf(lead)}
      </span>
      <div className="card-text" title={lead.lead_email}>
        <p className="card-name">{nameOf(lead)}</p>
        {lines.map((line, i) => (
          <p className="card-line" key={line}>
            <span>{line}</span>
            {i === lines.length - 1 && <time dateTime={lead.updated_at ?? undefined}>{ago}</time>}
          </p>
        ))}
        {motion && (
          <p className="card-from">
            {motion.from ? `from ${stageLabel(motion.from)}` : 'new lead'}
          </p>
        )}
      </div>
    </li>
  );
});

function EmptyBoard() {
  const { user } = useSession();
  const event = JSON.stringify(
    {
      event: {
        type: 'CONTACT_REPLIED',
        workspace_id: user.workspace_id,
        workspace_name: user.name,
      },
      data: {
        lead: { id: 1, email: 'ada@example.com', first_name: 'Ada', last_name: 'Byron' },
        reply: { id: 1, uuid: 'first', date_received: new Date().toISOString() },
      },
    },
    null,
    2,
  );
  return (
    <div className="empty" data-testid="empty">
      <h3>No leads yet</h3>
      <p>
        The board fills by itself as webhooks arrive. Send the first one from a terminal and watch
        it appear here:
      </p>
      <pre tabIndex={0}>
        <code>{`curl ${location.origin}/hooks/outreach/dev \\\n  -H 'Content-Type: application/json' \\\n  -d '${event}'`}</code>
      </pre>
    </div>
  );
}
