import { useState, useSyncExternalStore, type ReactNode } from 'react';
import type { Recorder, RecorderState } from './recorder.js';

const tabs = ['Connection', 'Subscriptions', 'Events', 'Why', 'Fetches'] as const;
type Tab = (typeof tabs)[number];

/** A panel at the foot of the page. Leave it out of production: `import.meta.env.DEV && …`. */
export function TidewireDevtools({ recorder }: { recorder: Recorder }): ReactNode {
  const [open, setOpen] = useState(false);
  const [tab, setTab] = useState<Tab>('Connection');
  const state = useSyncExternalStore(
    recorder.onChange,
    () => recorder.state,
    () => recorder.state,
  );
  if (!open) {
    return (
      <button type="button" style={styles.opener} onClick={() => setOpen(true)}>
        tidewire · {state.status.state}
      </button>
    );
  }
  const save = () => {
    const url = URL.createObjectURL(new Blob([recorder.export()], { type: 'application/json' }));
    const link = Object.assign(document.createElement('a'), {
      href: url,
      download: 'tidewire.json',
    });
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <section style={styles.panel} aria-label="Tidewire developer tools" data-testid="devtools">
      <header style={styles.head}>
        <div role="tablist" aria-label="Tidewire">
          {tabs.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              aria-selected={tab === name}
              style={tab === name ? styles.tabOn : styles.tab}
              onClick={() => setTab(name)}
            >
              {name}
            </button>
          ))}
        </div>
        <span>
          <button type="button" style={styles.tab} onClick={save}>
            Export
          </button>
          <button type="button" style={styles.tab} onClick={() => setOpen(false)}>
            Close
          </button>
        </span>
      </header>
      <div role="tabpanel" style={styles.body}>
        <Body tab={tab} state={state} />
      </div>
    </section>
  );
}

function Body({ tab, state }: { tab: Tab; state: RecorderState }): ReactNode {
  switch (tab) {
    case 'Connection':
      return <Connection state={state} />;
    case 'Subscriptions':
      return (
        <Table
          head={['table', 'filter', 'status', 'position', 'changes']}
          rows={state.subscriptions.map((each) => [
            each.table,
            each.filter ?? '',
            each.error ? `${each.status}: ${each.error}` : each.status,
            each.position ?? '',
            String(each.changes),
          ])}
        />
      );
    case 'Events':
      return (
        <Table
          head={['at', 'kind', 'what', 'detail']}
          rows={state.events.map((each) => [clock(each.at), each.kind, each.title, each.detail])}
        />
      );
    case 'Why':
      return (
        <Table
          head={['at', 'read again', 'because of']}
          rows={state.why.map((each) => [
            clock(each.at),
            each.queries.join(' '),
            each.changes.map((c) => `${c.type} ${c.table} ${c.position ?? ''}`).join(', ') ||
              'a new or broken stream, or by hand',
          ])}
        />
      );
    case 'Fetches':
      return (
        <Table
          head={['at', 'kind', 'what', 'ms', 'outcome', 'position']}
          rows={state.fetches.map((each) => [
            clock(each.at),
            each.kind,
            each.what,
            each.ms === null ? '…' : String(each.ms),
            each.status === null ? each.outcome : `${each.outcome} ${each.status}`,
            each.position ?? '',
          ])}
        />
      );
  }
}

function Connection({ state }: { state: RecorderState }): ReactNode {
  const { metrics, status } = state;
  const percent = (value: number | null) =>
    value === null ? '–' : `${(100 * value).toFixed(1)} %`;
  const ms = (value: number | null) => (value === null ? '–' : `${value.toFixed(0)} ms`);
  return (
    <Table
      head={['', '', 'target']}
      rows={[
        ['state', `${status.state} (${status.simple})`, ''],
        ['transport', status.transport ?? 'none', ''],
        ['attempt', String(status.attempt), ''],
        ['error', status.error ?? 'none', ''],
        ['average response', ms(metrics.apiResponseMsAvg), '< 200 ms'],
        ['cache hit rate', percent(metrics.cacheHitRate), '> 70 %'],
        ['error rate', percent(metrics.errorRate), '< 1 %'],
        ['time to first data', ms(metrics.timeToFirstDataMs), '< 500 ms'],
      ]}
    />
  );
}

function Table(props: { head: readonly string[]; rows: readonly (readonly string[])[] }) {
  if (props.rows.length === 0) return <p>Nothing yet.</p>;
  return (
    <table style={styles.table}>
      <thead>
        <tr>
          {props.head.map((cell, i) => (
            <th key={i} style={styles.cell}>
              {cell}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.rows.map((row, i) => (
          <tr key={i}>
            {row.map((cell, j) => (
              <td key={j} style={styles.cell}>
                {cell}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const clock = (at: number) => new Date(at).toISOString().slice(11, 23);

const tab = {
  minHeight: 28,
  padding: '2px 10px',
  border: 0,
  borderRadius: 6,
  background: 'transparent',
  color: '#d5dde5',
  font: 'inherit',
  cursor: 'pointer',
};
const styles = {
  opener: {
    ...tab,
    position: 'fixed',
    left: 12,
    bottom: 12,
    zIndex: 9_999,
    background: '#12202b',
    fontFamily: 'ui-monospace, monospace',
    fontSize: 12,
  },
  panel: {
    position: 'fixed',
    inset: 'auto 0 0 0',
    zIndex: 9_999,
    height: 'min(46vh, 420px)',
    display: 'grid',
    gridTemplateRows: 'auto 1fr',
    background: '#12202b',
    color: '#d5dde5',
    fontFamily: 'ui-monospace, monospace',
    fontSize: 12,
  },
  head: {
    display: 'flex',
    flexWrap: 'wrap',
    justifyContent: 'space-between',
    padding: 6,
    borderBottom: '1px solid #2b3d4b',
  },
  tab,
  tabOn: { ...tab, background: '#24506b', color: '#ffffff' },
  body: { overflow: 'auto', padding: 8 },
  table: { borderCollapse: 'collapse', width: '100%' },
  cell: {
    padding: '3px 12px 3px 0',
    textAlign: 'left',
    verticalAlign: 'top',
    overflowWrap: 'anywhere',
  },
} as const;
