# Tells what this host can do, and what its clock shows. See supervisor.sh.
limit=none waits=shell
if ulimit -S -w 1099511627776; then limit=w; elif ulimit -S -x 1099511627776; then limit=x; fi 2>/dev/null
case $(setsid --help 2>&1) in
  *--wait*) waits=setsid ;;
  *setsid*not\ found*) waits=none ;;
  *) if env time -o /dev/null true 2>/dev/null; then waits=time; fi ;;
esac
read -r now x </proc/uptime || now=none
echo "tidemill $now $waits $limit"
