#!/bin/sh
# A host that Ansible reaches over ssh, as an unprivileged user with sudo.
useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
chmod 440 /etc/sudoers.d/admin
install -d -o admin -g admin -m 700 /home/admin/.ssh
install -o admin -g admin -m 600 /lab/authorized_keys /home/admin/.ssh/authorized_keys
