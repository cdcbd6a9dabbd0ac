import type { ReactNode } from 'react';
import {
  useFreshness,
  type FreshnessOptions,
  type FreshnessState,
  type SourceFreshness,
} from '@tidewire/react/hooks';

export interface FreshnessBarProps extends FreshnessOptions {
  readonly organizationId: string;
  /** Refreshes by hand: a source, or all. */
  readonly onRefresh?: (source?: string) => void;
  readonly isRefreshing?: boolean;
  readonly className?: string;
  readonly renderItem?: (source: SourceFreshness) => ReactNode;
}

const words: Record<FreshnessState, string> = {
  fresh: 'up to date',
  late: 'late',
  failed: 'last sync failed',
  never: 'not synced yet',
};

/** "now", "12 s", "5 min", "3 h", "2 d". */
export function formatAge(ms: number | null): string {
  if (ms === null) return 'never';
  const seconds = Math.floor(ms / 1000);
  if (seconds < 5) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** How fresh each source of an organization is, live, with a way to refresh by hand. */
export function FreshnessBar({
  organizationId,
  onRefresh,
  isRefreshing = false,
  className = '',
  renderItem,
  ...options
}: FreshnessBarProps): ReactNode {
  const { sources, worst, isLoading } = useFreshness(organizationId, options);
  return (
    <section
      className={`tw-freshness ${className}`}
      aria-label="Data freshness"
      data-worst={worst ?? undefined}
      data-testid="freshness"
    >
      <ul>
        {isLoading && sources.length === 0 ? (
          <li className="tw-skeleton" aria-hidden="true" />
        ) : null}
        {sources.map((source) => (
          <li key={source.source} data-state={source.state} data-source={source.source}>
            {renderItem ? (
              renderItem(source)
            ) : (
              <>
                <span className="tw-dot" aria-hidden="true" />
                <span>{source.label}</span>
                <span className="tw-freshness-age">
                  {source.state === 'fresh' || source.state === 'late'
                    ? formatAge(source.ageMs)
                    : words[source.state]}
                </span>
                <span className="tw-hidden">{words[source.state]}</span>
              </>
            )}
          </li>
        ))}
      </ul>
      {onRefresh ? (
        <button
          type="button"
          className="tw-button"
          disabled={isRefreshing}
          onClick={() => onRefresh()}
        >
          {isRefreshing ? 'Refreshing…' : 'Refresh'}
        </button>
      ) : null}
    </section>
  );
}
