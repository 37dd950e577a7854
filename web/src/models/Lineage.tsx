import { useTranslation } from "react-i18next";
import type { ModelVersion } from "../api/types";
import { lineage } from "./lineage";

const BOX = { width: 132, height: 38 };
const STEP = { x: 176, y: 62 };

/** Filled is in use, dashed is trained and not in use, thin is retired. */
export function Lineage({ versions }: { versions: readonly ModelVersion[] }) {
  const { t } = useTranslation();
  const { nodes, rows } = lineage(versions);
  const at = new Map(nodes.map((node) => [node.version.version, node]));
  const width = Math.max(1, nodes.length) * STEP.x;
  const word = (version: ModelVersion) => t(version.live ? "models.live" : version.retired ? "models.retired" : "models.notLive");
  return (
    <div className="scroll-x" tabIndex={0} role="group" aria-label={t("models.lineage")}>
      <svg className="lineage" width={width} height={rows * STEP.y - 12} role="img" aria-label={nodes.map(({ version }) => `v${version.version}, ${word(version)}`).join("; ")}>
        {nodes.map((node) => {
          const parent = node.version.parent === null ? undefined : at.get(node.version.parent);
          if (!parent) return null;
          const x1 = parent.column * STEP.x + BOX.width;
          const x2 = node.column * STEP.x;
          const y1 = parent.row * STEP.y + BOX.height / 2 + 1;
          const y2 = node.row * STEP.y + BOX.height / 2 + 1;
          return <path key={node.version.version} className="lineage-edge" d={`M${x1} ${y1}H${x2 - 22}V${y2}H${x2}`} />;
        })}
        {nodes.map(({ version, column, row }) => (
          <g key={version.version} transform={`translate(${column * STEP.x} ${row * STEP.y})`} className={version.live ? "lineage-live" : version.retired ? "lineage-retired" : "lineage-idle"}>
            <rect x="1" y="1" width={BOX.width - 2} height={BOX.height} />
            <text x="12" y="17" className="lineage-name">v{version.version}</text>
            <text x="12" y="31" className="lineage-word">{word(version)}</text>
          </g>
        ))}
      </svg>
    </div>
  );
}
