"""The auditor's page, ledger/audit, opened in a browser: its verifier called, and its places filled."""

import contextlib
from pathlib import Path

from made_ledger import b64
from offline import VERSION

PAGE = Path(__file__).parents[2] / "ledger" / "audit"
AS_FILE = (PAGE / "index.html").as_uri()

# Hostile text, which shows where it is taken for HTML.
MARKUP = "<img/src=x/onerror=document.title='taken'>"

# The report of the page's verifier on files that are handed over in base64, as plain JSON.
JUDGE = """async ({proof, name, policy, writers, commit, data, tableId}) => {
  const file = (content, name) => content === null ? null : new File([fromBase64(content)], name);
  const report = await verify({
    proof: file(proof, name), policy: file(policy, "policy"), writers: file(writers, "writers"),
    commit: file(commit, "commit"), data: data.map(({path, content}) => ({path, file: file(content, path)})), tableId,
  });
  const {verdict, title, checked, failures, undecided, notChecked, certification} = report;
  return {
    verdict, title, facts: Object.fromEntries(report.facts), checked, failures, undecided, notChecked,
    signatures: report.signatures.map(({time, ...rest}) => ({...rest, time_unix_s: time && Number(time)})),
    certification: certification && {alone: certification.alone, words: certificationText(certification),
      cosigners: certification.cosigners.map(({name}) => name)},
  };
}"""

# Resolves when the page has come to an end with what it was given.
SETTLED = """(wanted) => new Promise((resolve) => {
  const status = document.getElementById("status");
  const look = () => status.textContent.startsWith(wanted) && resolve(document.body.innerText);
  new MutationObserver(look).observe(status, {childList: true, characterData: true, subtree: true});
  look();
})"""


@contextlib.contextmanager
def opened(browser, url=AS_FILE, **screen):
    page = browser.open(url, **screen)
    yield page
    assert page.complaints() == [], "the browser complained"
    page.close()


def judged(page, evidence, policy, writers, table_id="", name="proof"):
    data = [{"path": path, "content": b64(content)} for path, content in evidence.data]
    files = {"proof": b64(evidence.proof), "policy": b64(policy), "writers": b64(writers), "data": data}
    commit = None if evidence.commit is None else b64(evidence.commit)
    return page.call(JUDGE, files | {"commit": commit, "tableId": table_id, "name": name})


def judge(page, evidence, trust):
    return judged(page, evidence, *((trust / name).read_bytes() for name in ("policy", "writers")))


def reasons(report):
    return [finding["reason"] for finding in report["failures"] + report["undecided"]]


def on_disk(evidence, directory):
    """The files of an evidence: the receipt, the commit file under its name, the data files."""
    directory.mkdir(exist_ok=True)
    files = {"receipt.tlog-proof": evidence.proof} | dict(evidence.data)
    files |= {f"{VERSION:020}.json": evidence.commit} if evidence.commit is not None else {}
    for path, content in files.items():
        (directory / path).write_bytes(content)
    return [directory / path for path in files]
