import { documents } from "../api/request";
import type { Json, Long, Named } from "../api/types";
import { useQuery } from "../api/useQuery";
import { useLateValue } from "../lib/useLateValue";
import { describe } from "../lib/things";

export type ChoiceList = "things" | "channels" | "deviceTypes";
export interface ChoiceRow extends Named { note?: string }

const DOCUMENTS: Record<ChoiceList, string> = { things: documents.chooseThings, channels: documents.chooseChannels, deviceTypes: documents.chooseDeviceTypes };
const WAIT_MS = 200;

interface Answer { nodes: (Named & { metadata?: Json; description?: string })[]; total: Long }

/** The first rows of a list whose names contain `text`, while `asks`. A question that another one follows is taken back. */
export function useChoices(of: ChoiceList, text: string, asks: boolean) {
  const wanted = useLateValue(text.trim(), WAIT_MS);
  const query = useQuery<Record<string, Answer>>(asks ? DOCUMENTS[of] : null, wanted === "" ? {} : { name: wanted }, { moves: true });
  const found = query.data?.[of];
  const rows: ChoiceRow[] = (found?.nodes ?? []).map(({ id, name, metadata, description }) => {
    const note = metadata === undefined ? description : describe(metadata).title;
    return { id, name, ...(note ? { note } : {}) };
  });
  return { rows, total: Number(found?.total ?? 0), loading: query.loading || query.behind || wanted !== text.trim(), error: query.error };
}
