"""Tide files of any size that look like those people write, for benchmarks and tests."""

from __future__ import annotations

_HEAD = """\
# generated: a release with many services
let regions = ["eu-west-1", "us-east-1", "ap-south-1"]

pipeline release {
  description = "Build and ship every service"
  param version: string = "dev"
  param target: "staging" | "production" = "staging"
  schedule "0 2 * * mon-fri" { timezone = "Europe/Berlin", overlap = skip }
  defaults {
    executor local
    timeout = 10m
    retry { attempts = 3, backoff = 5s, factor = 2, max = 1m, on = [failed, timeout] }
  }
"""

_BUILD = '''
  step build_{n} {{
    run = """
      cd services/service_{n}
      make wheel VERSION={{{{ version }}}} TARGET="{{{{ target }}}}"
      echo "digest=$(sha256sum dist/*.whl | cut -d' ' -f1)" >> "$TIDE_OUTPUT"
    """
    output wheel: file = "dist/*.whl"
    output digest: string
    timeout = {minutes}m
  }}
'''

_TEST = """
  step test_{n} for region in regions {{
    env {{ REGION = region, WHEEL = build_{m}.wheel, LEVEL = {n} }}
    run = "pytest --region {{{{ region }}}} tests/service_{n}"
    retry {{ attempts = 2, backoff = 10s }}
  }}
"""

_DEPLOY = """
  step deploy_{n} {{
    needs = [build_{m}, test_{k}]
    when = target == "production" and not failed(test_{k})
    run = "deploy --digest {{{{ build_{m}.digest | upper }}}}"
    allow_failure = {n} % 2 == 0
  }}
"""


def rich_file(steps: int) -> str:
    """A valid file of about `steps` steps: builds with outputs, tests that fan out,
    deploys with conditions."""
    parts = [_HEAD]
    for n in range(steps):
        kind = (_BUILD, _TEST, _DEPLOY)[n % 3]
        parts.append(kind.format(n=n, m=n - n % 3, k=n - n % 3 + 1, minutes=5 + n % 40))
    parts.append("}\n")
    return "".join(parts)
