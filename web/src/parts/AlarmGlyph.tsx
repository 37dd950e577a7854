import type { AlarmClass, AlarmState, Priority } from "../api/types";

interface Shape { inner: string; core: string; ring: string; textY: number; size: number }

const square = (r: number) => `M${12 - r} ${12 - r}h${2 * r}v${2 * r}h${-2 * r}z`;
const circle = (r: number) => `M${12 - r} 12a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
const up = (top: number, bottom: number, half: number) => `M12 ${top}L${12 + half} ${bottom}H${12 - half}z`;
const down = (top: number, bottom: number, half: number) => `M12 ${bottom}L${12 - half} ${top}H${12 + half}z`;

const SHAPES: Record<Priority, Shape> = {
  P1: { inner: square(6.6), core: square(4.7), ring: square(10.3), textY: 15.5, size: 10 },
  P2: { inner: up(5, 19.3, 8.2), core: up(8.6, 17.4, 5.1), ring: up(0.9, 21.9, 11.3), textY: 17.8, size: 9.5 },
  P3: { inner: down(4.7, 19, 8.2), core: down(6.6, 15.4, 5.1), ring: down(2.1, 23.1, 11.3), textY: 13, size: 9.5 },
  P4: { inner: circle(7.4), core: circle(5.4), ring: circle(10.9), textY: 15.5, size: 10 },
};

export interface GlyphProps {
  priority: Priority;
  state: AlarmState;
  alarmClass?: AlarmClass;
  size?: number;
  /** Said to a screen reader; without it the glyph is decoration beside a text that says the same. */
  label?: string;
}

/** One alarm in three codes: shape, digit, colour. The ring says that nobody has acknowledged it. */
export function AlarmGlyph({ priority, state, alarmClass = "PROCESS", size = 24, label }: GlyphProps) {
  const accessible = label ? { role: "img", "aria-label": label } : { "aria-hidden": true as const };
  if (state === "SHELVED" || state === "SUPPRESSED" || state === "OUT_OF_SERVICE") return <AsideMark state={state} label={label} />;
  return (
    <svg className={`glyph ${priority.toLowerCase()}`} width={size} height={size} viewBox="0 0 24 24" {...accessible}>
      {alarmClass === "INSTRUMENT" ? <Fault state={state} /> : alarmClass === "PREDICTIVE" ? <Diamond priority={priority} state={state} /> : <Filled priority={priority} state={state} />}
    </svg>
  );
}

function Filled({ priority, state }: { priority: Priority; state: AlarmState }) {
  const shape = SHAPES[priority];
  const hollow = state === "RETURNED_UNACKNOWLEDGED";
  const latched = state === "LATCHED_UNACKNOWLEDGED" || state === "LATCHED_ACKNOWLEDGED";
  const ring = hollow || state === "UNACKNOWLEDGED" || state === "LATCHED_UNACKNOWLEDGED";
  return (
    <>
      {ring && <path className="glyph-ring" d={shape.ring} />}
      {state === "NORMAL" ? <path className="glyph-absent" d={shape.inner} /> : <path className="glyph-fill" d={shape.inner} />}
      {hollow && <path className="glyph-core" d={shape.core} />}
      {state !== "NORMAL" && (
        <text className={hollow ? "glyph-digit glyph-digit-hollow" : "glyph-digit"} x="12" y={shape.textY} fontSize={shape.size}>
          {latched ? "L" : priority.slice(1)}
        </text>
      )}
    </>
  );
}

function Diamond({ priority, state }: { priority: Priority; state: AlarmState }) {
  const unacknowledged = state === "UNACKNOWLEDGED" || state === "RETURNED_UNACKNOWLEDGED" || state === "LATCHED_UNACKNOWLEDGED";
  return (
    <>
      {unacknowledged && <path className="glyph-ring" d="M12 0.4L23.6 12L12 23.6L0.4 12z" />}
      <path className="glyph-fill" d="M12 2.6L21.4 12L12 21.4L2.6 12z" />
      <path className="glyph-dashes" d="M12 4.1L19.9 12L12 19.9L4.1 12z" />
      <path className="glyph-core" d="M12 6.3L17.7 12L12 17.7L6.3 12z" />
      <text className="glyph-digit glyph-digit-hollow" x="12" y="15.1" fontSize="9">{priority.slice(1)}</text>
    </>
  );
}

function Fault({ state }: { state: AlarmState }) {
  const unacknowledged = state === "UNACKNOWLEDGED" || state === "RETURNED_UNACKNOWLEDGED" || state === "LATCHED_UNACKNOWLEDGED";
  return (
    <>
      {unacknowledged && <path className="glyph-ring" d={square(10.3)} />}
      <rect x="5" y="5" width="14" height="14" className="glyph-fault" fill="url(#hatch-fault)" />
    </>
  );
}

const MARKS = { SHELVED: "S", SUPPRESSED: "SUP", OUT_OF_SERVICE: "OOS" } as const;

/** Shelved, suppressed, out of service: letters in a dashed frame, no colour. */
export function AsideMark({ state, label }: { state: keyof typeof MARKS; label?: string | undefined }) {
  return (
    <span className="aside-mark" {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}>
      {MARKS[state]}
    </span>
  );
}

/** The grey shape of a priority with nothing active, so that its place stays. */
export function AbsentGlyph({ priority, size = 22 }: { priority: Priority; size?: number }) {
  return (
    <svg className="glyph" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path className="glyph-absent" d={SHAPES[priority].inner} />
    </svg>
  );
}
