import { expect, it } from 'vitest';
import { queue, World } from './world.js';

const base = Number(process.env['TIDEWIRE_SEED'] ?? Date.now() % 1_000_000);
const runs = Number(process.env['TIDEWIRE_RUNS'] ?? 400);

it(`every change exactly once and in order, or an honest verdict (seeds ${base}…)`, () => {
  let changes = 0;
  let recoveries = 0;
  let refusals = 0;
  let takeovers = 0;
  for (let seed = base; seed < base + runs; seed++) {
    queue.length = 0;
    const world = new World(seed);
    world.run(600);
    takeovers += world.takeovers;
    expect(world.settled(), `settles, seed ${seed}`).toBe(true);
    // Between two `recovered: false` the application must have seen a contiguous run of the log.
    const index = new Map(world.committed.map((position, i) => [position, i]));
    let last: number | null = null;
    for (const item of world.seen) {
      if (typeof item !== 'string') {
        if (item.recovered) recoveries++;
        else {
          refusals++;
          last = null;
        }
        continue;
      }
      changes++;
      const at = index.get(item)!;
      if (last !== null) expect(at, `next after ${last}, seed ${seed}: ${item}`).toBe(last + 1);
      last = at;
    }
    // And nothing is missing at the end.
    if (last !== null) expect(last, `complete, seed ${seed}`).toBe(world.committed.length - 1);
  }
  console.log(
    `seeds ${base}..${base + runs - 1}: ${changes} changes, ${recoveries} recoveries, ${refusals} refusals, ${takeovers} takeovers`,
  );
  expect(changes).toBeGreaterThan(1000);
  expect(recoveries).toBeGreaterThan(100);
  expect(refusals).toBeGreaterThan(10);
  expect(takeovers).toBeGreaterThan(10);
}, 120_000);
