/** Samples of one series in typed arrays: no object per point. Times rise; the oldest leave when it is full. */
export class Ring {
  private readonly capacity: number;
  private times: Float64Array;
  private values: Float64Array;
  private qualities: Uint8Array;
  private start = 0;
  private end = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    // Twice the room, so that moving the kept part down happens once per `capacity` samples.
    this.times = new Float64Array(capacity * 2);
    this.values = new Float64Array(capacity * 2);
    this.qualities = new Uint8Array(capacity * 2);
  }

  get length(): number {
    return this.end - this.start;
  }

  /** Replaces all. Missing values become NaN and are drawn as gaps. */
  fill(times: readonly number[], values: readonly (number | null)[], qualities: readonly number[]): void {
    this.start = 0;
    this.end = 0;
    const first = Math.max(0, times.length - this.capacity);
    for (let i = first; i < times.length; i++) this.push(times[i] ?? 0, values[i] ?? Number.NaN, qualities[i] ?? 192);
  }

  /** Takes a sample newer than the last; an older one is history and not for a live line. */
  push(time: number, value: number, quality: number): boolean {
    const last = this.end > this.start ? (this.times[this.end - 1] ?? -Infinity) : -Infinity;
    if (time <= last) return false;
    if (this.end === this.times.length) this.compact();
    this.times[this.end] = time;
    this.values[this.end] = value;
    this.qualities[this.end] = quality;
    this.end += 1;
    if (this.length > this.capacity) this.start += 1;
    return true;
  }

  /** Views, not copies: good until the next push. */
  view(): { t: Float64Array; v: Float64Array; q: Uint8Array } {
    return {
      t: this.times.subarray(this.start, this.end),
      v: this.values.subarray(this.start, this.end),
      q: this.qualities.subarray(this.start, this.end),
    };
  }

  private compact(): void {
    this.times.copyWithin(0, this.start, this.end);
    this.values.copyWithin(0, this.start, this.end);
    this.qualities.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
  }
}
