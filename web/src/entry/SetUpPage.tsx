import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "../api/request";
import { MAX_PASSWORD, MIN_PASSWORD } from "../lib/password";
import { refreshSession } from "../lib/session";
import { Button } from "../parts/Button";
import { TextField } from "../parts/Field";
import { useTitle } from "../shell/trail";
import "../styles/entry.css";
import { EntryFrame } from "./EntryFrame";
import { setUp, setUpNeeded, signIn } from "./setUp";

const STEPS = ["code", "administrator", "data"] as const;
type Source = "simulated" | "equipment" | "applications";
const SOURCES: Source[] = ["simulated", "equipment", "applications"];
/** As the server has it. */
const MAX_NAME = 1024;
const FIELDS = ["email", "organisation", "password"] as const;
type Wrong = { field: (typeof FIELDS)[number] | "code"; message: string };

/** From a fresh server to a signed-in administrator, and a word on where the first data come from. */
export function SetUpPage() {
  const { t } = useTranslation();
  const [step, setStep] = useState(0);
  const [code, setCode] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [organisation, setOrganisation] = useState("");
  const [source, setSource] = useState<Source>("simulated");
  const [wrong, setWrong] = useState<Wrong | null>(null);
  const [busy, setBusy] = useState(false);
  useTitle(t("setUp.title"));

  const create = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setWrong(null);
    try {
      await setUp({ code: code.trim(), email: email.trim(), password, organisation: organisation.trim() });
      await signIn(email.trim(), password);
      setStep(2);
    } catch (cause) {
      const message = cause instanceof ApiError ? cause.message : String(cause);
      // The code is checked with the account: a wrong one is asked for again, with what the server said.
      if (cause instanceof ApiError && cause.code === "forbidden") {
        setWrong({ field: "code", message });
        setStep(0);
        return;
      }
      const field = FIELDS.find((one) => cause instanceof ApiError && one === cause.field);
      setWrong({ field: field ?? "password", message });
    } finally {
      setBusy(false);
    }
  };
  const errorOf = (field: Wrong["field"]) => (wrong?.field === field ? wrong.message : null);
  const finish = async () => {
    await refreshSession();
    setUpNeeded.set(false);
  };
  return (
    <EntryFrame>
      <div className="set-up">
        <ol className="set-up-steps">
          {STEPS.map((name, index) => (
            <li key={name} aria-current={index === step ? "step" : undefined} className={index < step ? "done" : undefined}>
              <span className="step-number" aria-hidden="true">{index < step ? "✓" : index + 1}</span>{t(`setUp.${name}`)}
            </li>
          ))}
          <li className="set-up-note">{t("setUp.loopback")}</li>
        </ol>
        <div className="set-up-body">
          {step === 0 && (
            <form onSubmit={(event) => { event.preventDefault(); setWrong(null); setStep(1); }}>
              <h1>{t("setUp.codeTitle")}</h1>
              <p>{t("setUp.codeText")}</p>
              <TextField label={t("setUp.code")} required autoFocus className="mono" value={code} onChange={(event) => setCode(event.target.value)} note={t("setUp.codeNote")} error={errorOf("code")} />
              <div className="form-actions"><Button kind="primary" size="large" type="submit">{t("setUp.next")}</Button></div>
            </form>
          )}
          {step === 1 && (
            <form onSubmit={(event) => void create(event)}>
              <h1>{t("setUp.administratorTitle")}</h1>
              <p>{t("setUp.administratorText")}</p>
              <TextField label={t("signIn.email")} type="email" required autoFocus autoComplete="username" value={email} onChange={(event) => setEmail(event.target.value)} error={errorOf("email")} />
              <TextField label={t("setUp.organisation")} autoComplete="organization" maxLength={MAX_NAME} value={organisation} onChange={(event) => setOrganisation(event.target.value)} note={t("setUp.organisationNote")} error={errorOf("organisation")} />
              <TextField label={t("signIn.password")} type="password" required minLength={MIN_PASSWORD} maxLength={MAX_PASSWORD} autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} note={t("setUp.passwordNote", { count: MIN_PASSWORD })} error={errorOf("password")} />
              <div className="form-actions">
                <Button kind="primary" size="large" type="submit" unavailable={busy ? t("signIn.busy") : null}>{t("setUp.create")}</Button>
                <Button size="large" onClick={() => { setWrong(null); setStep(0); }}>{t("setUp.back")}</Button>
              </div>
            </form>
          )}
          {step === 2 && (
            <>
              <h1>{t("setUp.dataTitle")}</h1>
              <p>{t("setUp.dataText")}</p>
              <div className="set-up-sources" role="radiogroup" aria-label={t("setUp.dataTitle")}>
                {SOURCES.map((name) => (
                  <label key={name} className="set-up-source">
                    <input type="radio" name="source" checked={source === name} onChange={() => setSource(name)} />
                    <b>{t(`setUp.${name}`)}</b>
                    <span>{t(`setUp.${name}Text`)}</span>
                  </label>
                ))}
              </div>
              <h2>{t("setUp.how")}</h2>
              <p>{t(`setUp.${source}How`)}</p>
              {COMMANDS[source] && <pre className="command" tabIndex={0}>{COMMANDS[source]}</pre>}
              <div className="form-actions"><Button kind="primary" size="large" onClick={() => void finish()}>{t("setUp.open")}</Button></div>
            </>
          )}
        </div>
      </div>
    </EntryFrame>
  );
}

const SERVER = location.origin;
const COMMANDS: Partial<Record<Source, string>> = {
  simulated: "make run",
  applications: `curl -X POST ${SERVER}/channels/<channel>/messages \\
  -H 'Authorization: <thing key>' -H 'Content-Type: application/senml+json' \\
  -d '[{"n":"vibration","u":"mm/s","v":2.4}]'`,
};
