import { useTranslation } from "react-i18next";
import type { HistoryEntry, JournalEntry } from "../api/types";
import { zone } from "../lib/clock";
import { formatClock } from "../lib/format";
import { historySentence } from "../history/words";
import type { Span } from "./spans";

interface Window { from: number; to: number }
const share = (window: Window, at: number) => Math.min(100, Math.max(0, ((at - window.from) / (window.to - window.from)) * 100));
const BAR = 5;

/** Filled is active, dashed is predicted: the distance between their starts is the lead time. */
export function AlarmStrip({ spans, window }: { spans: readonly Span[]; window: Window }) {
  const { t } = useTranslation();
  return (
    <div className="lane lane-strip">
      <span className="strip-label">{t("asset.alarmStrip")}</span>
      <svg className="strip" width="100%" height="16" role="img" aria-label={t("asset.alarmStripCount", { count: spans.length })}>
        {spans.map((span) => {
          const left = share(window, span.from);
          const width = Math.max(0.3, share(window, span.to) - left);
          return (
            <rect key={`${span.alarm}/${span.occurrence}`} className={`span ${span.priority.toLowerCase()} ${span.predicted ? "span-predicted" : ""}`} x={`${left}%`} width={`${width}%`} y={span.predicted ? 2 : 10} height={BAR}>
              <title>{`${span.message}, ${formatClock(span.from, zone)}–${formatClock(span.to, zone)}`}</title>
            </rect>
          );
        })}
      </svg>
    </div>
  );
}

export interface Flag { at: number; letter: "A" | "C" | "D"; text: string }

/** Alarms raised, changes of configuration, the device's config fetched: letters on the time axis. */
export function flagsOf(journal: readonly JournalEntry[], changes: readonly HistoryEntry[], bootstrapAt: string | null, t: ReturnType<typeof useTranslation>["t"]): Flag[] {
  const raised = journal.filter((entry) => entry.kind === "activated").map((entry): Flag => ({ at: Date.parse(entry.at), letter: "A", text: entry.message }));
  const changed = changes.map((entry): Flag => ({ at: Date.parse(entry.at), letter: "C", text: historySentence(entry, t) }));
  const fetched: Flag[] = bootstrapAt === null ? [] : [{ at: Date.parse(bootstrapAt), letter: "D", text: t("asset.bootstrapped") }];
  return [...raised, ...changed, ...fetched].sort((a, b) => a.at - b.at);
}

const LEAST_GAP = 1.6;

export function EventStrip({ flags, window }: { flags: readonly Flag[]; window: Window }) {
  const { t } = useTranslation();
  const inside = flags.filter((flag) => flag.at >= window.from && flag.at <= window.to);
  // Letters that would overlap are left to the list of events beside the chart.
  const shown: Flag[] = [];
  for (const flag of inside) {
    const before = shown[shown.length - 1];
    if (!before || share(window, flag.at) - share(window, before.at) >= LEAST_GAP) shown.push(flag);
  }
  return (
    <div className="lane lane-strip">
      <span className="strip-label">{t("asset.eventStrip")}</span>
      <svg className="strip" width="100%" height="18" role="img" aria-label={t("asset.eventStripCount", { count: inside.length })}>
        {shown.map((flag, index) => (
          <svg key={index} x={`${share(window, flag.at)}%`} overflow="visible">
            <g className="flag" transform="translate(-7 1)"><rect x="0.5" y="0.5" width="14" height="14" /><text x="7.5" y="11.5">{flag.letter}</text><title>{flag.text}</title></g>
          </svg>
        ))}
      </svg>
    </div>
  );
}
