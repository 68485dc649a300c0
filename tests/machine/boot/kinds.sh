# Makes one unit of each kind. Run inside a machine, as root.
set -eu
admin=/etc/systemd/system
vendor=/usr/lib/systemd/system
runtime=/run/systemd/system
boot="[Install]\nWantedBy=multi-user.target"

# FOLDER/NAME, lines of [Unit], lines of other sections
service() {
  mkdir -p "${1%/*}"
  printf '[Unit]\nDescription=a kind of unit\n%b\n[Service]\nExecStart=/bin/sleep infinity\n%b\n' "$2" "$3" >"$1"
}
other() {
  printf '%b\n' "$2" >"$1"
}
enable() {
  systemctl enable -q "$@"
}
# TARGET-FOLDER, UNIT: the link that `systemctl add-wants` would make
wants() {
  mkdir -p "$1.wants"
  ln -s "../$2" "$1.wants/$2"
}

# the seven
service $admin/enabled.service "" "$boot"
enable enabled.service
service $admin/disabled.service "" "$boot"
service $admin/enabled-runtime.service "" "$boot"
systemctl enable -q --runtime enabled-runtime.service
other $admin/never.target "[Unit]\nDescription=boot never reaches this"
service $admin/wrong-target.service "" "[Install]\nWantedBy=never.target"
enable wrong-target.service
service $admin/puller.service "" "$boot"
service $admin/pulled-in.service "" ""
enable puller.service
wants $admin/puller.service pulled-in.service
service $admin/by-socket.service "" ""
other $admin/by-socket.socket "[Socket]\nListenStream=/run/by-socket\n[Install]\nWantedBy=sockets.target"
enable by-socket.socket
service $admin/link-removed.service "" "$boot"
enable link-removed.service
rm $admin/multi-user.target.wants/link-removed.service

# masks
service $vendor/masked.service "" "$boot"
enable masked.service
systemctl mask -q masked.service
service $vendor/masked-runtime.service "" "$boot"
enable masked-runtime.service
systemctl mask -q --runtime masked-runtime.service

# other ways to enable, or nearly
service $admin/required-by.service "" "[Install]\nRequiredBy=multi-user.target"
enable required-by.service
service $admin/by-default-target.service "" "[Install]\nWantedBy=default.target"
enable by-default-target.service
service $admin/install-edited.service "" "$boot"
enable install-edited.service
service $admin/install-edited.service "" "[Install]\nWantedBy=never.target"
service $admin/missing-target.service "" "[Install]\nWantedBy=missing.target"
enable missing-target.service
service $admin/by-disabled.service "" "[Install]\nWantedBy=disabled.service"
enable by-disabled.service
service $admin/with-alias.service "" "$boot\nAlias=the-alias.service"
enable with-alias.service
service $admin/alias-only.service "" "[Install]\nAlias=another-alias.service"
enable alias-only.service
service $admin/template@.service "" "$boot"
enable template@instance.service
service $admin/default-instance@.service "" "$boot\nDefaultInstance=main"
enable default-instance@.service
service $admin/also-enabled.service "" "$boot"
service $admin/indirect.service "" "[Install]\nAlso=also-enabled.service"
enable indirect.service
service $admin/upheld-by.service "" "[Install]\nUpheldBy=multi-user.target"
enable upheld-by.service 2>/dev/null
service /opt/units/linked.service "" ""
systemctl link -q /opt/units/linked.service
service /opt/units/linked-runtime.service "" "$boot"
systemctl link -q --runtime /opt/units/linked-runtime.service
service /opt/units/linked-enabled.service "" "$boot"
enable /opt/units/linked-enabled.service

# static
service $admin/static.service "" ""
service $vendor/static-pulled-in.service "" ""
wants $vendor/multi-user.target static-pulled-in.service
service $admin/by-drop-in.service "" ""
mkdir -p $admin/multi-user.target.d
other $admin/multi-user.target.d/by-drop-in.conf "[Unit]\nWants=by-drop-in.service"
service $admin/binder.service "BindsTo=bound.service" "$boot"
service $admin/bound.service "" ""
enable binder.service
service $admin/upholder.service "Upholds=upheld.service" "$boot"
service $admin/upheld.service "" ""
enable upholder.service
service $admin/requisite.service "" ""
service $admin/needs-requisite.service "Requisite=requisite.service\nAfter=requisite.service" "$boot"
enable needs-requisite.service
service $admin/by-timer.service "" ""
other $admin/by-timer.timer "[Timer]\nOnBootSec=1s\nAccuracySec=100ms\n[Install]\nWantedBy=timers.target"
enable by-timer.timer
service $admin/by-path.service "" ""
other $admin/by-path.path "[Path]\nPathExists=/etc/passwd\n[Install]\nWantedBy=paths.target"
enable by-path.path
service $admin/by-disabled-socket.service "" ""
other $admin/by-disabled-socket.socket "[Socket]\nListenStream=/run/by-disabled-socket\n[Install]\nWantedBy=sockets.target"
service $admin/by-unmet-socket.service "" ""
other $admin/by-unmet-socket.socket \
  "[Unit]\nConditionPathExists=/missing\n[Socket]\nListenStream=/run/by-unmet-socket\n[Install]\nWantedBy=sockets.target"
enable by-unmet-socket.socket

# links made by hand
service $admin/copy.service "" "$boot"
cp $admin/copy.service $admin/multi-user.target.wants/copy.service
service $admin/real-name.service "" ""
ln -s ../real-name.service $admin/multi-user.target.wants/wrong-name.service
service $admin/dangling.service "" ""
ln -s /missing/dangling.service $admin/multi-user.target.wants/dangling.service

# what is gone after a reboot, or comes late
service $runtime/volatile.service "" "$boot"
ln -s $runtime/volatile.service $admin/multi-user.target.wants/volatile.service
service /run/units/linked-volatile.service "" "$boot"
enable /run/units/linked-volatile.service
mkdir -p /late /srv/late
other $admin/late.mount "[Mount]\nWhat=/srv/late\nWhere=/late\nType=none\nOptions=bind\n[Install]\nWantedBy=local-fs.target"
enable --now late.mount
service /late/on-late-mount.service "" "$boot"
enable /late/on-late-mount.service
systemd-run -q --unit=transient.service /bin/sleep infinity

# generators
mkdir -p $vendor-generators
cat >$vendor-generators/kinds <<'GENERATOR'
#!/bin/sh
mkdir -p "$1/multi-user.target.wants"
for unit in generated generated-unwanted; do
  printf '[Service]\nExecStart=/bin/sleep infinity\n' >"$1/$unit.service"
done
ln -s ../generated.service "$1/multi-user.target.wants/"
GENERATOR
chmod +x $vendor-generators/kinds

# conditions, and units that cannot come up
service $admin/condition-met.service "ConditionPathExists=/etc/passwd" "$boot"
service $admin/condition-unmet.service "ConditionPathExists=/missing" "$boot"
service $admin/assert-unmet.service "AssertPathExists=/missing" "$boot"
service $admin/requires-missing.service "Requires=missing.service" "$boot"
service $admin/wants-missing.service "Wants=missing.service" "$boot"
other $admin/bad-setting.service "[Service]\nType=simple\n$boot"
enable condition-met.service condition-unmet.service assert-unmet.service requires-missing.service \
  wants-missing.service bad-setting.service

# where the engine drops one of several, and what depends on it
service $admin/cycle-a.service "After=cycle-b.service" "$boot"
service $admin/cycle-b.service "After=cycle-a.service" "$boot"
service $admin/requires-cycle-a.service "Requires=cycle-a.service" "$boot"
service $admin/requires-cycle-b.service "Requires=cycle-b.service" "$boot"
service $admin/conflict-a.service "Conflicts=conflict-b.service" "$boot"
service $admin/conflict-b.service "" "$boot"
service $admin/requires-conflict.service "Requires=conflict-b.service" "$boot"
enable cycle-a.service cycle-b.service requires-cycle-a.service requires-cycle-b.service \
  conflict-a.service conflict-b.service requires-conflict.service

# a service that whoever calls its name on the bus starts
service $admin/on-bus.service "" "Type=dbus\nBusName=org.example.OnBus"

systemctl daemon-reload
systemctl start --no-block default.target
systemctl start condition-unmet.service condition-met.service
systemctl start assert-unmet.service by-unmet-socket.socket || true
