import { describe, expect, it } from 'vitest';
import { comparePositions, laterPosition } from '../src/position.js';
import { decodeChange, decodeFrame, expiryOf } from '../src/protocol.js';
import { filterOf, selectPath } from '../src/rest.js';
import { compareBy } from '../src/live.js';

describe('positions', () => {
  it('are ordered within an epoch, exactly', () => {
    expect(comparePositions('e:9', 'e:10')).toBeLessThan(0);
    expect(comparePositions('e:10', 'e:10')).toBe(0);
    expect(comparePositions('e:9007199254740994', 'e:9007199254740993')).toBeGreaterThan(0);
  });
  it('of different epochs, or malformed, cannot be compared', () => {
    for (const other of ['f:9', '9', '', ':9']) expect(comparePositions('e:9', other)).toBeNull();
  });
  it('keep the later one', () => {
    expect(laterPosition(null, 'e:1')).toBe('e:1');
    expect(laterPosition('e:5', 'e:4')).toBe('e:5');
    expect(laterPosition('e:5', 'f:1')).toBe('f:1');
  });
});

describe('frames', () => {
  it('are read, and everything else is refused', () => {
    expect(decodeFrame('[null,"1","t","e",{"a":1},"extra"]')).toEqual([
      null,
      '1',
      't',
      'e',
      { a: 1 },
    ]);
    for (const bad of [
      '',
      '{',
      '{}',
      '[]',
      '[null,null,1,"e",{}]',
      '[null,null,"t","e",null]',
      7,
    ]) {
      expect(decodeFrame(bad)).toBeNull();
    }
  });
  it('carry changes, of four kinds', () => {
    const data = { type: 'LEAVE', schema: 'public', table: 't', record: {}, old_record: { id: 1 } };
    expect(decodeChange({ ids: [1], data, position: 'e:1' })).toMatchObject({
      type: 'LEAVE',
      record: null,
      oldRecord: { id: 1 },
      position: 'e:1',
    });
    for (const bad of [{}, { data: null }, { data: { type: 'TRUNCATE', table: 't' } }]) {
      expect(decodeChange(bad)).toBeNull();
    }
  });
  it('tell when a token expires, if it says so', () => {
    expect(expiryOf(`x.${btoa('{"exp":12}')}.y`)).toBe(12_000);
    for (const opaque of ['', 'sb_publishable_x', 'a.b.c', `x.${btoa('{}')}.y`]) {
      expect(expiryOf(opaque)).toBeNull();
    }
  });
});

describe('reads', () => {
  it('are written as PostgREST expects', () => {
    expect(selectPath('t', {})).toBe('/rest/v1/t');
    expect(
      selectPath('t', { select: 'a,b', filters: { w: 'eq.A & B' }, order: 'a.desc', limit: 5 }),
    ).toBe('/rest/v1/t?select=a,b&w=eq.A%20%26%20B&order=a.desc&limit=5');
    expect(filterOf({ a: 'eq.1', b: 'gt.2' })).toBe('a=eq.1,b=gt.2');
    expect(filterOf()).toBeUndefined();
  });
  it('sort rows as Postgres does', () => {
    const rows = [{ a: null }, { a: 1 }, { a: 3 }];
    expect([...rows].sort(compareBy('a')!).map((r) => r.a)).toEqual([1, 3, null]);
    expect([...rows].sort(compareBy('a.desc')!).map((r) => r.a)).toEqual([null, 3, 1]);
    expect([...rows].sort(compareBy('a.desc.nullslast')!).map((r) => r.a)).toEqual([3, 1, null]);
  });
});
