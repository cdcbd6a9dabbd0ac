import { timeOf } from '@tidewire/react/hooks';

const currency = new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'GBP' });
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

export const money = (cents: number): string => currency.format(cents / 100);
export const date = (text: string): string => day.format(timeOf(text) ?? 0);
export const time = (text: string): string => clock.format(timeOf(text) ?? 0);
export const points = (value: number): string => `${value > 0 ? '+' : '−'}${Math.abs(value)}`;
