import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { Change, EntityKind, Json, Long } from "../api/types";
import { usePages } from "../api/usePages";
import { useQuery } from "../api/useQuery";
import { ChangeList } from "../parts/Diff";
import { Asked } from "../parts/Panel";

/** Somebody saved first: what they changed, and what this form would write. */
export function Conflict({ entity, id, since, mine }: { entity: EntityKind; id: string; since: Long; mine: Record<string, Json> }) {
  const { t } = useTranslation();
  const latest = usePages<{ revision: Long; who: string }>(documents.history, { entity, id }, (data) => data.history, 40);
  return (
    <div className="conflict" role="alert">
      <b>{t("conflict.title")}</b>
      <Asked query={latest} what={t("conflict.title")}>
        {({ nodes }) => {
          const newest = nodes.reduce<{ revision: Long; who: string } | null>((a, b) => (a === null || BigInt(b.revision) > BigInt(a.revision) ? b : a), null);
          if (!newest) return null;
          return (
            <>
              <p>{t("conflict.theirs", { who: newest.who, from: String(since), to: String(newest.revision) })}</p>
              <Theirs entity={entity} id={id} from={since} to={newest.revision} />
            </>
          );
        }}
      </Asked>
      <p>{t("conflict.mine")}</p>
      <ChangeList changes={Object.entries(mine).map(([key, after]): Change => ({ path: `/${key}`, before: null, after }))} />
      <p className="quiet">{t("conflict.next")}</p>
    </div>
  );
}

function Theirs({ entity, id, from, to }: { entity: EntityKind; id: string; from: Long; to: Long }) {
  const { t } = useTranslation();
  const query = useQuery<{ diff: Change[] }>(documents.diff, { entity, id, from, to });
  return <Asked query={query} what={t("diff.label")}>{({ diff }) => <ChangeList changes={diff} />}</Asked>;
}
