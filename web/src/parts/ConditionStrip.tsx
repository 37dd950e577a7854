import type { Priority } from "../api/types";

/** One part of the strip: a thin line is normal, a block abnormal, dots mean that nothing watches, a hatch that the data are not to be trusted. */
export type Condition = { kind: "normal" } | { kind: "abnormal"; priority: Priority } | { kind: "none" } | { kind: "untrusted" } | { kind: "fault" };
export interface ConditionPart { name: string; condition: Condition; label: string }

const STEP = 22;

/** DA, SD and PA as far as something stands behind them; a part without data is not drawn. */
export function ConditionStrip({ parts }: { parts: readonly ConditionPart[] }) {
  const label = parts.map((part) => part.label).join(", ");
  return (
    <svg className="condition" role="img" aria-label={label} width={parts.length * STEP} height="18" viewBox={`0 0 ${parts.length * STEP} 18`}>
      {parts.map((part, index) => (
        <g key={part.name} transform={`translate(${index * STEP} 0)`}>
          <Part condition={part.condition} />
        </g>
      ))}
    </svg>
  );
}

function Part({ condition }: { condition: Condition }) {
  switch (condition.kind) {
    case "normal":
      return <line className="condition-normal" x1="1" x2="20" y1="9" y2="9" />;
    case "none":
      return <line className="condition-none" x1="1" x2="20" y1="9" y2="9" />;
    case "untrusted":
      return <rect className="condition-untrusted" fill="url(#hatch)" x="1.5" y="2" width="18" height="14" />;
    case "fault":
      return <rect className="condition-fault" fill="url(#hatch-fault)" x="1.5" y="2" width="18" height="14" />;
    case "abnormal":
      return (
        <g className={condition.priority.toLowerCase()}>
          <rect className="condition-block" x="1" y="1.5" width="19" height="15" />
          <text className="glyph-digit" x="10.5" y="13" fontSize="11">{condition.priority.slice(1)}</text>
        </g>
      );
  }
}
