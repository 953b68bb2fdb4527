# Ends what is left of supervisors whose connection was lost without the host noticing. Their
# marks and numbers come on the standard input. See tree.sh.
while read -r mark number; do
  known_as "$mark" "$number"
  # The first letter in brackets: so it is not found in the words of this grep itself.
  for f in $(grep -ls -e "[${m%"${m#?}"}]${m#?}" /proc/[0-9]*/cmdline); do
    f=${f#/proc/}
    kill -KILL "${f%/*}"
  done 2>/dev/null
  sweep
  rm -rf "$d" || { chmod -R u+rwx "$d"; rm -rf "$d"; } 2>/dev/null
done
echo tidemill reaped
