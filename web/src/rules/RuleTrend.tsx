import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Series, SeriesLimit } from "../api/types";
import { Choice } from "../parts/Choice";
import { RANGES, type RangeId, rangeOf } from "../asset/ranges";
import { useQueryValue } from "../lib/router";
import { LaneStack } from "../trend/LaneStack";
import { type Draft, LEVELS } from "./draft";

const SHOWN: RangeId[] = ["1h", "24h", "7d"];

/** The history of the tag with the limits of the draft: how often it would have been beyond them is seen, not guessed. */
export function RuleTrend({ series, draft }: { series: Series; draft: Draft }) {
  const { t } = useTranslation();
  const [range, setRange] = useQueryValue("range", "24h");
  const key = JSON.stringify(draft.levels);
  const lanes = useMemo(() => {
    const levels = JSON.parse(key) as Draft["levels"];
    const limits: SeriesLimit[] = LEVELS.filter((kind) => levels[kind].on && Number.isFinite(Number.parseFloat(levels[kind].limit))).map((kind) => ({ kind, limit: Number(levels[kind].limit), priority: levels[kind].priority, rule: "" }));
    return [{ series: { ...series, limits } }];
  }, [series, key]);
  return (
    <div className="rule-trend">
      <Choice label={t("asset.range")} value={rangeOf(range)} onChange={setRange} options={SHOWN.map((one) => ({ id: one, label: t(`range.${one}`) }))} />
      <LaneStack lanes={lanes} rangeMs={RANGES[rangeOf(range)]} paused={false} onPause={() => undefined} compact />
    </div>
  );
}
