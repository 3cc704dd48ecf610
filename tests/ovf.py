"""An OVF package as other products write it: one machine, small enough to read."""

from __future__ import annotations

__all__ = ["DESCRIPTOR"]

DESCRIPTOR = b"""<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References><File ovf:href="disk1.vmdk" ovf:id="file1"/></References>
  <DiskSection><Disk ovf:capacity="8" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk1"/></DiskSection>
  <NetworkSection><Network ovf:name="nat"/></NetworkSection>
  <VirtualSystem ovf:id="small">
    <Name>small-one</Name>
    <AnnotationSection><Annotation>Small</Annotation></AnnotationSection>
    <EulaSection><License>Ask first.</License></EulaSection>
    <OperatingSystemSection ovf:id="100" vmw:osType="centos7_64Guest"/>
    <VirtualHardwareSection>
      <Item><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
      <Item><rasd:Connection>nat</rasd:Connection><rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>
    <ProductSection ovf:class="guestinfo"><Property ovf:key="hostname" ovf:type="string" ovf:value="small"/>
    </ProductSection>
  </VirtualSystem>
</Envelope>
"""
