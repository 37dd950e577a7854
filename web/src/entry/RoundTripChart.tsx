import { useTranslation } from "react-i18next";
import type { RoundTrip } from "./useRoundTrips";

const HEIGHT = 120;
const WIDTH = 1000;
const SPAN_MS = 60_000;

/** The last minute of answers as a plain line; a missed answer is a gap. */
export function RoundTripChart({ trips }: { trips: readonly RoundTrip[] }) {
  const { t } = useTranslation();
  const end = trips[trips.length - 1]?.at ?? 0;
  const known = trips.filter((trip): trip is { at: number; ms: number } => trip.ms !== null);
  const top = Math.max(20, ...known.map((trip) => trip.ms)) * 1.25;
  const x = (at: number) => WIDTH - ((end - at) / SPAN_MS) * WIDTH;
  const y = (ms: number) => HEIGHT - (ms / top) * HEIGHT;
  let pen = "M";
  const path = trips.map((trip) => {
    if (trip.ms === null) {
      pen = "M";
      return "";
    }
    const step = `${pen}${x(trip.at).toFixed(1)} ${y(trip.ms).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
  return (
    <figure className="round-trips">
      <figcaption>{t("signIn.chart", { top: Math.round(top) })}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {[10, 20, 30, 40, 50].map((second) => <line key={second} className="grid-line" x1={WIDTH - (second / 60) * WIDTH} x2={WIDTH - (second / 60) * WIDTH} y1="0" y2={HEIGHT} />)}
        <path className="round-trip-line" d={path} />
      </svg>
      <div className="round-trip-axis" aria-hidden="true">{[50, 40, 30, 20, 10].map((second) => <span key={second}>−{second} s</span>)}</div>
    </figure>
  );
}
