import { useEffect, useMemo, useRef } from "react";
import type { Series, SeriesLimit } from "../api/types";
import { Ring } from "../live/ring";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { ConditionStrip, type Condition } from "../parts/ConditionStrip";
import { HatchSwatch } from "../parts/Hatch";
import { Indicator } from "../parts/Indicator";
import { Icon } from "../parts/Icon";
import { Section } from "../parts/Panel";
import type { Shown } from "../parts/quality";
import { scaleOf } from "../parts/scale";
import { Lane } from "../trend/Lane";
import { createStack, moveCursor } from "../trend/stackState";

const limit = (kind: SeriesLimit["kind"], value: number, priority: SeriesLimit["priority"]): SeriesLimit => ({ kind, limit: value, priority, rule: "sample" });
const VIBRATION = [limit("HI", 4.5, "P2"), limit("HI_HI", 7.1, "P1")];

interface Sample { name: string; value: string; tail: string; unit: string; shown: Shown; at: number | null; low: number; high: number; limits: SeriesLimit[]; age: string }
const SAMPLES: Sample[] = [
  { name: "Good, live", value: "78.4", tail: "0", unit: "°C", shown: "good", at: 78.4, low: 0, high: 120, limits: [limit("LO", 27, "P3"), limit("HI", 88, "P3"), limit("HI_HI", 102, "P2")], age: "0.4 s" },
  { name: "Abnormal", value: "5.24", tail: "", unit: "mm/s", shown: "good", at: 5.24, low: 0, high: 9, limits: VIBRATION, age: "0.4 s" },
  { name: "Uncertain", value: "158.9", tail: "0", unit: "bar ?", shown: "uncertain", at: 158.9, low: 0, high: 220, limits: [limit("LO", 140, "P3"), limit("HI", 182, "P3")], age: "0.5 s" },
  { name: "Stale", value: "79", tail: ".00", unit: "%", shown: "stale", at: 79, low: 0, high: 100, limits: [limit("LO_LO", 52, "P2"), limit("LO", 70, "P3")], age: "4 min" },
  { name: "Bad", value: "bad", tail: "", unit: "", shown: "bad", at: null, low: 0, high: 100, limits: [], age: "28 min" },
];

export function QualityTable() {
  return (
    <Section title="Value with quality">
      <table className="table">
        <thead><tr><th scope="col">Quality</th><th scope="col" className="number">Value</th><th scope="col">Against limits</th><th scope="col">Age</th></tr></thead>
        <tbody>
          {SAMPLES.map((sample) => {
            const scale = scaleOf({ low: sample.low, high: sample.high }, sample.limits);
            const old = sample.shown === "stale" || sample.shown === "bad";
            return (
              <tr key={sample.name}>
                <td>{sample.name}</td>
                <td className="number"><span className={`value value-${sample.shown}`}><span className="value-swatch" /><span className="value-number">{sample.value}</span><span className="value-tail">{sample.tail}</span><span className="unit">{sample.unit}</span></span> {sample.name === "Abnormal" && <AlarmGlyph priority="P2" state="UNACKNOWLEDGED" size={20} />}</td>
                <td>{scale && <Indicator scale={scale} width={104} reading={{ t: 0, v: sample.at, q: 192 }} shown={sample.shown} />}</td>
                <td>{old ? <><HatchSwatch /> {sample.age}</> : <span className="quiet">{sample.age}</span>}</td>
              </tr>
            );
          })}
          <tr><td>Backfilled</td><td className="number"><span className="value">412.6<span className="value-tail">0</span><span className="unit">m³/h</span></span></td><td className="quiet">history only, not latest</td><td className="quiet">came 1 h late</td></tr>
          <tr><td>Entered by hand</td><td className="number"><Icon name="pen" size={12} /> <span className="value">0.86<span className="unit">kg/l</span></span></td><td className="quiet">pen mark</td><td className="quiet">2 h</td></tr>
        </tbody>
      </table>
    </Section>
  );
}

export function IndicatorFigure() {
  const scale = scaleOf({ low: 0, high: 9 }, VIBRATION);
  return (
    <Section title="Moving analogue indicator" note="band, limits, pointer, set-point, excursion">
      <div className="indicator-figure">{scale && <Indicator scale={scale} width={320} setPoint={3.2} reading={{ t: 0, v: 5.24, q: 192 }} shown="good" />}</div>
      <p className="quiet small">0 to 9 mm/s, H 4.5, HH 7.1, set-point 3.2, value 5.24</p>
    </Section>
  );
}

const parts = (...conditions: Condition[]) => conditions.map((condition, index) => ({ name: String(index), condition, label: condition.kind }));

export function ConditionSamples() {
  return (
    <Section title="Condition strip" note="DA, SD, PA as far as data stand behind them">
      <div className="gallery-rows">
        <span><ConditionStrip parts={parts({ kind: "normal" }, { kind: "normal" }, { kind: "normal" })} /></span><span className="quiet">all normal</span>
        <span><ConditionStrip parts={parts({ kind: "normal" }, { kind: "abnormal", priority: "P2" }, { kind: "abnormal", priority: "P3" })} /></span><span className="quiet">seen, forecast</span>
        <span><ConditionStrip parts={parts({ kind: "untrusted" }, { kind: "normal" }, { kind: "normal" })} /></span><span className="quiet">acquisition uncertain</span>
        <span><ConditionStrip parts={parts({ kind: "fault" }, { kind: "none" }, { kind: "none" })} /></span><span className="quiet">device fault, no verdict</span>
      </div>
    </Section>
  );
}

const SPAN_MS = 3_600_000;
const END = Date.UTC(2026, 10, 24, 9, 32, 8);

/** A fixed line with a gap and an excursion, so that pictures of this page are the same each time. */
export function LaneSample() {
  const stack = useMemo(() => createStack(SPAN_MS, END), []);
  const ring = useMemo(() => {
    const made = new Ring(600);
    let noise = 7;
    for (let i = 0; i < 360; i++) {
      noise = (noise * 16_807) % 2_147_483_647;
      if (i > 144 && i < 168) continue;
      const trend = i < 170 ? 0 : ((i - 170) / 190) ** 1.2 * 2.4;
      made.push(END - SPAN_MS + i * 10_000, 3.1 + trend + (noise / 2_147_483_647 - 0.5) * 0.5, 192);
    }
    return made;
  }, []);
  const series = useMemo<Series>(() => ({ id: "sample", name: "vibration-de", subtopic: "", unit: "mm/s", tag: { series: "vibration-de", title: "Vibration, drive end", unit: "mm/s", low: 0, high: 9, decimals: 2, expectedIntervalMs: 10_000 }, limits: VIBRATION, latest: null, channel: null }), []);
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const timer = setTimeout(() => moveCursor(stack, -90), 300);
    return () => clearTimeout(timer);
  }, [stack]);
  return (
    <Section title="Trend lane">
      <div className="stack stack-compact" ref={host}><Lane series={series} ring={ring} stack={stack} live={false} /></div>
      <p className="quiet small">Normal band, limits with letter and number, excursion filled to the limit, gap hatched, one cursor through every lane.</p>
    </Section>
  );
}
