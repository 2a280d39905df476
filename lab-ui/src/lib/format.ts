/** Numbers as people read them. */
import { language } from './i18n/index.svelte';

const locale = (): string => (language.current === 'zh' ? 'zh-CN' : 'en');

/** `25 × 28 × 28`. */
export function shapeText(shape: number[]): string {
  return shape.join(' × ');
}

/** A count with few digits: `950`, `61.7k`, `4.65M`, `1.2G`. */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString(locale());
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toPrecision(3)}${units[power]}`;
}

/** A share as a percentage with as many digits as tell something. */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)}%`;
}

/** A size in bytes: `312 kB`. */
export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  return value < 1e6 ? `${(value / 1000).toPrecision(3)} kB` : `${(value / 1e6).toPrecision(3)} MB`;
}

/** A duration, as exact as an estimate is: `40 s`, `2 min 10 s`, `1 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const whole = Math.round(seconds / 5) * 5;
  const minutes = Math.floor(whole / 60);
  const rest = whole % 60;
  if (minutes < 60) return rest && minutes < 10 ? `${minutes} min ${rest} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A point of time: the clock today, else the day too. */
export function clock(seconds: number): string {
  const at = new Date(seconds * 1000);
  const today = at.toDateString() === new Date().toDateString();
  const time = at.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' });
  return today ? time : `${at.toLocaleDateString(locale(), { month: 'short', day: 'numeric' })} ${time}`;
}

/** A number with few digits, for tables. */
export function digits(value: number, significant = 3): string {
  if (!Number.isFinite(value)) return String(value);
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) return value.toExponential(significant - 1);
  return Number(value.toPrecision(significant)).toString();
}
