import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('../src/styles/base.css', import.meta.url), 'utf8');
const colours = (text: string) =>
  new Map([...text.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map((m) => [m[1]!, m[2]!]));
const [light, dark] = css.split('prefers-color-scheme: dark').map(colours);

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5]
    .map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

/** Text on the surface below it, as the style sheets use them. */
const pairs = [
  ...['ground', 'surface', 'sunken', 'accent-soft'].flatMap((s) => [`text ${s}`, `muted ${s}`]),
  ...['good', 'warn', 'bad', 'accent'].flatMap((c) => [`${c} ${c}-soft`, `${c} surface`]),
  'accent-text accent',
  'text raised',
];

describe.each([
  ['light', light!],
  ['dark', new Map([...light!, ...dark!])],
])('%s colours', (_name, palette) => {
  it.each(pairs)('%s reaches WCAG AA', (pair) => {
    const [text, surface] = pair.split(' ').map((name) => palette.get(name)!);
    expect(contrast(text!, surface!)).toBeGreaterThanOrEqual(4.5);
  });
});
