import { expect, it } from 'vitest';
import type { Answer, Room } from '../src/room.js';
import { SharedFollows } from '../src/shared-follows.js';

const query = { query: 'items', args: { limit: 5 } };

function server() {
  const asked: string[] = [];
  const answers: ((answer: Answer) => void)[] = [];
  const room = {
    ask: (event: string) => {
      asked.push(event);
      return new Promise<Answer>((resolve) => answers.push(resolve));
    },
  } as unknown as Room;
  const opened: Answer = { outcome: 'ok', response: { sub: 's' } };
  return { room, asked, answers, opened };
}

it('closes a query for the last tab only, also when a tab is just opening it', async () => {
  const { room, asked, answers, opened } = server();
  const follows = new SharedFollows();
  const first = follows.ask('a', room, 'query_open', query);
  answers.shift()!(opened);
  expect(await first).toEqual(opened);
  // Asked, and not answered yet: it counts already.
  const second = follows.ask('b', room, 'query_open', query);
  expect(await follows.ask('a', room, 'query_close', { ...query, sub: 's' })).toEqual({
    outcome: 'ok',
  });
  expect(asked).toEqual(['query_open', 'query_open']);
  answers.shift()!(opened);
  await second;
  void follows.ask('b', room, 'query_close', { ...query, sub: 's' });
  expect(asked.at(-1)).toBe('query_close');
});

it('a tab that goes away lets go of all that it alone follows', async () => {
  const { room, asked, answers, opened } = server();
  const follows = new SharedFollows();
  for (const [tab, name] of [
    ['a', 'own'],
    ['a', 'both'],
    ['b', 'both'],
  ] as const) {
    const answer = follows.ask(tab, room, 'query_open', { query: name, args: {} });
    answers.shift()!(opened);
    await answer;
  }
  follows.leave('a');
  expect(asked.filter((event) => event === 'query_close')).toHaveLength(1);
  follows.leave('b');
  expect(asked.filter((event) => event === 'query_close')).toHaveLength(2);
});
