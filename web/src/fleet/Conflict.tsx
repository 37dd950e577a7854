import { useTranslation } from "react-i18next";
import { documents } from "../api/request";
import type { Change, EntityKind, Json, Long } from "../api/types";
import { usePages } from "../api/usePages";
import { useQuery } from "../api/useQuery";
import { Button } from "../parts/Button";
import { ChangeList } from "../parts/Diff";
import { Asked } from "../parts/Panel";

interface Props {
  entity: EntityKind;
  id: string;
  since: Long;
  mine: Record<string, Json>;
  /** Puts the changes of this form on top of theirs, or drops them: where the form can. */
  onTop?: (() => void) | null;
  onTheirs?: (() => void) | null;
}

/** Somebody saved first: what they changed beside what this form would write. */
export function Conflict({ entity, id, since, mine, onTop, onTheirs }: Props) {
  const { t } = useTranslation();
  const latest = usePages<{ revision: Long; who: string }>(documents.history, { entity, id }, (data) => data.history, 40);
  return (
    <div className="conflict" role="alert">
      <b>{t("conflict.title")}</b>
      <div className="conflict-sides">
        <div>
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
        </div>
        <div>
          <p>{t("conflict.mine")}</p>
          <ChangeList changes={Object.entries(mine).map(([key, after]): Change => ({ path: `/${key}`, before: null, after }))} />
        </div>
      </div>
      {onTop && onTheirs ? (
        <div className="button-row">
          <Button onClick={onTop}>{t("conflict.onTop")}</Button>
          <Button onClick={onTheirs}>{t("conflict.takeTheirs")}</Button>
        </div>
      ) : <p className="quiet">{t("conflict.next")}</p>}
    </div>
  );
}

function Theirs({ entity, id, from, to }: { entity: EntityKind; id: string; from: Long; to: Long }) {
  const { t } = useTranslation();
  const query = useQuery<{ diff: Change[] }>(documents.diff, { entity, id, from, to });
  return <Asked query={query} what={t("diff.label")}>{({ diff }) => <ChangeList changes={diff} />}</Asked>;
}
