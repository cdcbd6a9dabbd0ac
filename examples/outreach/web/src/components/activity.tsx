import { useAgo, useFeed } from '../hooks.js';
import type { FeedEntry } from '../feed.js';
import { formatCount } from '../model.js';

const marks: Record<FeedEntry['kind'], string> = {
  insert: '+',
  move: '→',
  update: '~',
  delete: '−',
  count: '#',
  connection: '↻',
};

/** What has changed while the page was open, newest first. */
export function Activity() {
  const { entries, changes } = useFeed();
  return (
    <section className="panel activity" aria-labelledby="activity-title">
      <div className="panel-head">
        <h2 id="activity-title">Activity</h2>
        <span className="muted" data-testid="change-count" data-value={changes}>
          {formatCount(changes)} {changes === 1 ? 'change' : 'changes'}
        </span>
      </div>
      {entries.length === 0 ? (
        <p className="panel-empty">Changes appear here the moment they are committed.</p>
      ) : (
        <ol className="feed" data-testid="feed" tabIndex={0} aria-label="Changes, newest first">
          {entries.map((entry) => (
            <Entry key={entry.id} entry={entry} />
          ))}
        </ol>
      )}
    </section>
  );
}

function Entry({ entry }: { entry: FeedEntry }) {
  const ago = useAgo(entry.at);
  return (
    <li className={`feed-${entry.kind}`}>
      <span className={`mark stage-${entry.stage ?? 'none'}`} aria-hidden="true">
        {marks[entry.kind]}
      </span>
      <span className="feed-text">
        <b>{entry.title}</b>
        <span>{entry.detail}</span>
      </span>
      <time>{ago}</time>
    </li>
  );
}
