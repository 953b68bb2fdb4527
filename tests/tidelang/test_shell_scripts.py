"""Scripts as people write them in CI: all of them must be let in and must parse."""

from __future__ import annotations

import re
import subprocess

import pytest

from tidelang.definition import Script, Variable
from tidelang.shell import Insert, Woven, fill, interpreter, weave
from tidelang.values import Value

SCRIPTS = r"""
make wheel VERSION={{ x }}
echo "digest=$(sha256sum dist/*.whl | cut -d' ' -f1)" >> "$TIDE_OUTPUT"
=====
pytest -q --junitxml=report-{{ x }}.xml tests/{{ x }}
=====
docker build -t registry.example.com/app:{{ x }} --build-arg VERSION={{ x }} .
=====
docker login -u "{{ x }}" --password-stdin registry.example.com <<EOF
{{ x }}
EOF
docker push "registry.example.com/app:{{ x }}"
=====
if [ "{{ x }}" = "production" ]; then
  kubectl apply -f k8s/prod.yaml
else
  kubectl apply -f "k8s/{{ x }}.yaml"
fi
=====
for file in {{ xs }}; do
  gzip -9 -c "$file" > "out/{{ x }}-$(basename "$file").gz"
done
=====
case "{{ x }}" in
  staging|production) echo "deploying" ;;
  *) echo "unknown target: {{ x }}" >&2; exit 1 ;;
esac
=====
curl -fsSL -H "Authorization: Bearer {{ x }}" \
  -H 'Content-Type: application/json' \
  -d '{"version": "{{ x }}", "count": 1}' \
  "https://example.com/deploy/{{ x }}?wait=1" | jq -r '.id' > id.txt
=====
cat > config.json <<EOF
{
  "version": "{{ x }}",
  "price": "\$5",
  "host": "$(hostname)"
}
EOF
=====
set -eu
trap 'rm -rf "$tmp"' EXIT
tmp=$(mktemp -d)
git clone --depth 1 --branch "{{ x }}" "https://example.com/{{ x }}.git" "$tmp/src"
cd "$tmp/src" && make -j"$(nproc)" all
=====
# Don't deploy on Fridays: {{ x }}
[ "$(date +%u)" -ne 5 ] || exit 0
rsync -az --delete dist/ "deploy@{{ x }}:/srv/www/{{ x }}/"
=====
ssh -o BatchMode=yes deploy@{{ x }} "cd /srv && git checkout {{ x | sh }} && ./restart.sh"
=====
ssh "deploy@{{ x }}" sh -s -- {{ x | sh }} < deploy.sh
=====
retries=0
until curl -sf "http://{{ x }}/health"; do
  retries=$((retries + 1))
  if [ "$retries" -ge {{ n }} ]; then echo "gave up on {{ x }}"; exit 1; fi
  sleep {{ n }}
done
=====
tag="v{{ x }}"
if git rev-parse -q --verify "refs/tags/$tag" > /dev/null; then
  echo "tag $tag exists"
else
  git tag -a "$tag" -m "Release {{ x }}"
  git push origin "$tag"
fi
=====
sed -i "s/^version = .*/version = \"{{ x }}\"/" pyproject.toml
awk -F= '$1 == "version" { print $2 }' pyproject.toml
=====
psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -v name={{ x }} <<'SQL'
insert into releases (name) values (:'name');
SQL
=====
python3 - {{ x }} <<'PY'
import sys
print(f"hello {sys.argv[1]}")
PY
=====
python3 scripts/render.py --name {{ x }} --out "build/{{ x }}" -c config.toml
=====
find . -name '*.py' -newer {{ x }} -print0 | xargs -0 -r wc -l
grep -rn --include='*.txt' -e {{ x }} . || true
=====
{
  echo "## Report for {{ x }}"
  echo
  while IFS=, read -r name value; do
    printf '| %s | %s |\n' "$name" "$value"
  done < data.csv
} > report.md
=====
log() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*"; }
run() {
  log "running $1 for {{ x }}"
  "$@" || { log "failed: $?"; return 1; }
}
run ./build.sh {{ x }} ${EXTRA:+"$EXTRA"} "${MODE:-{{ x }}}"
=====
tar czf "app-{{ x }}.tar.gz" --exclude='*.pyc' -C build . \
  && sha256sum "app-{{ x }}.tar.gz" > "app-{{ x }}.tar.gz.sha256"
=====
npm ci && npm run build -- --mode={{ x }} && npx serve -l {{ n }} dist & pid=$!
sleep 1; kill "$pid"
=====
aws s3 cp dist/ "s3://bucket/{{ x }}/" --recursive --exclude '*' --include "*.{{ x }}"
=====
echo 'notes<<END' >> "$TIDE_OUTPUT"; git log --format='%h %s' "{{ x }}..HEAD" >> "$TIDE_OUTPUT"
echo END >> "$TIDE_OUTPUT"
=====
#!/bin/bash
set -euo pipefail
files=({{ xs }})
echo "${#files[@]} files, first ${files[0]:-none}"
for ((i = 0; i < ${#files[@]}; i++)); do
  [[ ${files[i]} == *.{{ x }} ]] || continue
  cp -- "${files[i]}" "out/${files[i]%.{{ x }}}.bak"
done
=====
#!/usr/bin/env bash
shopt -s nullglob
if [[ "{{ x }}" =~ ^v([0-9]+)\.([0-9]+)$ ]]; then
  echo "major=${BASH_REMATCH[1]}" >> "$TIDE_OUTPUT"
fi
diff <(sort a.txt) <(sort "{{ x }}") || true
=====
#!/bin/bash -x
declare -A ports=([web]=80 [db]=5432)
name="{{ x }}"
echo "${ports[$name]:-{{ n }}} ${name^^} ${name//-/_}"
mapfile -t lines < <(grep -v '^#' "{{ x }}")
printf '%s\n' "${lines[@]}" | sort | uniq -c | sort -rn | head -n {{ n }}
=====
#!/bin/bash
case {{ x }} in
  (*.tar.gz|*.tgz) tar xzf {{ x }} ;;
  (*.zip) unzip {{ x }} ;;&
  (*) out=$(case $OSTYPE in linux*) echo "l {{ x }}" ;; darwin*) echo d ;; esac)
      echo "$out" ;;
esac
select choice in {{ xs }} quit; do break; done <<< 1
time make {{ x }} 2>&1 | tee >(gzip > log.gz) | tail -n 5
=====
envsubst < template.yaml | kubectl -n {{ x }} apply -f - && \
kubectl -n {{ x }} rollout status "deploy/{{ x }}" --timeout={{ n }}s
""".strip("\n").split("\n=====\n")

SHAPES = {"x": "scalar", "n": "number", "xs": "list"}
VALUES: dict[str, Value] = {"x": "it's $(x)", "n": 3, "xs": ["a b", "c"]}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.splitlines()[0][:40])
def test_a_real_script_is_let_in_and_still_parses(script: str) -> None:
    parts: list[str | Insert] = []
    names: list[str] = []
    for piece in re.split(r"(\{\{.*?\}\})", script):
        if piece.startswith("{{"):
            name, _, how = (word.strip() for word in piece.strip("{}").partition("|"))
            parts.append(Insert(len(names), SHAPES[name], how))  # type: ignore[arg-type]
            names.append(name)
        else:
            parts.append(piece)
    chosen = interpreter(script)
    woven = weave(parts, chosen.shell)
    assert isinstance(woven, Woven), woven
    variables = [
        Variable(f"TIDE_V{at}", woven.kinds[at], ("lit", None)) for at in range(len(names))
    ]
    filled = fill(Script(woven.parts, tuple(variables)), [VALUES[name] for name in names])
    checked = subprocess.run(
        [chosen.argv[0], "-n", "-c", filled.text], capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
