# The processes of a step, and their end. Sent before supervisor.sh and reap.sh.
#
# m: the mark, unique to a supervisor; d: its folder; n: the number that the processes of its
# steps bear as their soft limit of file locks, which Linux ignores, but passes on to every
# child, whatever that does (0: this shell cannot set it, and the variables of the processes are
# looked at instead).
known_as() {
  m=$1 n=$2 d=/tmp/tidemill-$1
  if [ "$n" = 0 ]; then kind=environ sign="$d/"; else kind=limits sign="file locks  *$n "; fi
}
# The processes of the step, also those that have left its session.
# A zombie bears its limits, too, until its new parent, init, gets round to it.
look() {
  set -- $(grep -ls -e "$sign" /proc/[0-9]*/$kind 2>/dev/null)
  found=
  for f; do
    v=Z
    while read -r k v x; do if [ "$k" = State: ]; then break; fi; done <${f%/*}/status
    case $v in Z | X) ;; *) found="$found $f" ;; esac
  done
} 2>/dev/null
signal() {
  set -- "$1" "" $found
  s=$1 list=
  shift 2
  for f; do f=${f#/proc/}; list="$list ${f%/*}"; done
  [ -z "$list" ] || kill -$s $list 2>/dev/null
}
# Asks those that were forked while their parent was asked, and so heard nothing of it. Who
# has a parent in the step is its parent to end: it may be what cleans up.
strays() {
  for f in $found; do
    p=${f#/proc/} p=${p%/*}
    case " $known " in *" $p "*) continue ;; esac
    while read -r k v x; do if [ "$k" = PPid: ]; then break; fi; done </proc/$p/status
    case "$found" in */proc/$v/*) continue ;; esac
    known="$known $p"
    kill -TERM $p
    kill -CONT $p
  done
} 2>/dev/null
# The number of the newest process there is or was: who forks and ends, over and over, is
# always near it, and too quick for a look at all.
newest() { read -r x x x x last x </proc/loadavg; }
borne() {
  case $kind in
    limits) while read -r a b c v x; do
        if [ "$c" = locks ]; then [ "$v" = "$n" ]; return; fi
      done ;;
    *) grep -qs -e "$sign" ;;
  esac
} 2>/dev/null
chase() {
  i=0
  while [ $i -lt 200 ]; do
    i=$((i + 1))
    newest
    for p in $last $((last - 1)) $((last - 2)) $((last - 3)); do
      if [ -e /proc/$p/$kind ] && borne </proc/$p/$kind; then kill -KILL $p && i=0; fi
    done 2>/dev/null
  done
}
sweep() {
  rounds=0
  while :; do
    newest
    before=$last
    look
    [ -z "$found" ] || kept=0
    signal KILL
    newest
    if [ -z "$found" ] && { [ $((last - before)) -le 1 ] || [ $rounds -ge 3 ]; }; then break; fi
    rounds=$((rounds + 1))
    [ $rounds -le 2 ] || chase
  done
}
