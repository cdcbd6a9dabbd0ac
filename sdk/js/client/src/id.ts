/**
 * 128 random bits in hexadecimal. `crypto.randomUUID` exists only where a page is secure; this also
 * works on plain http, e.g. in a local network.
 */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
