import { useCallback, useEffect, useState } from 'react';
import { QueryClientProvider } from '@tanstack/react-query';
import { TidewireProvider } from '@tidewire/react';
import { Activity } from './components/activity.js';
import { Board } from './components/board.js';
import { Counters } from './components/counters.js';
import { Funnel } from './components/funnel.js';
import { Header } from './components/header.js';
import { HealthCard } from './components/health.js';
import { Notice } from './components/notice.js';
import { SessionContext } from './hooks.js';
import { Session, type DemoConfig } from './session.js';

const chosenKey = 'tidewire.outreach.workspace';

type Config =
  | { state: 'loading' }
  | { state: 'ready'; config: DemoConfig }
  | { state: 'failed'; message: string };

async function loadConfig(): Promise<DemoConfig> {
  const answer = await fetch('/demo/config.json', { headers: { Accept: 'application/json' } });
  if (answer.status === 404) {
    throw new Error(
      'This server has no demo users. Start it with “tidewire dev” to see the board.',
    );
  }
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const config = (await answer.json()) as DemoConfig;
  if (!config.users?.length) throw new Error('The server named no demo user.');
  return config;
}

export function App() {
  const [config, setConfig] = useState<Config>({ state: 'loading' });
  const load = useCallback(() => {
    setConfig({ state: 'loading' });
    loadConfig().then(
      (loaded) => setConfig({ state: 'ready', config: loaded }),
      (error: Error) => setConfig({ state: 'failed', message: error.message }),
    );
  }, []);
  useEffect(load, [load]);

  if (config.state === 'failed') {
    return (
      <main className="shell centred">
        <Notice title="The board cannot be shown" text={config.message} onRetry={load} />
      </main>
    );
  }
  if (config.state === 'loading') return <main className="shell" aria-busy="true" />;
  return <Workspaces config={config.config} />;
}

function Workspaces({ config }: { config: DemoConfig }) {
  const [name, setName] = useState(
    () =>
      new URLSearchParams(location.search).get('workspace') ?? sessionStorage.getItem(chosenKey),
  );
  const user = config.users.find((each) => each.name === name) ?? config.users[0]!;
  const [session, setSession] = useState<Session | null>(null);

  useEffect(() => {
    const made = new Session(config, user);
    setSession(made);
    return () => made.close();
  }, [config, user]);

  const choose = (next: string) => {
    sessionStorage.setItem(chosenKey, next);
    setName(next);
  };

  if (!session) return <main className="shell" aria-busy="true" />;
  return (
    <SessionContext.Provider value={session}>
      <TidewireProvider client={session.client}>
        <QueryClientProvider client={session.queries}>
          {/* Another user shares nothing with this one, not even what is on the screen. */}
          <div
            className="shell"
            key={session.user.name}
            data-testid="workspace"
            data-name={session.user.name}
          >
            <Header users={config.users} onChoose={choose} />
            <main className="page">
              <Counters />
              <div className="columns">
                <Board />
                <aside className="rail">
                  <Funnel />
                  <HealthCard />
                  <Activity />
                </aside>
              </div>
            </main>
          </div>
        </QueryClientProvider>
      </TidewireProvider>
    </SessionContext.Provider>
  );
}
